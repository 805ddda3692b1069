// Column types that read the same on both drivers: an instant is an RFC 3339 string, bytes are a Buffer.
import { customType } from 'drizzle-orm/pg-core'

/** A moment, to the millisecond, as RFC 3339 in UTC from the column to the JSON. */
export const instant = customType<{ data: string; driverData: string | Date }>({
  dataType: () => 'timestamp(3) with time zone',
  // RFC 3339 allows offsets up to 23:59, PostgreSQL only up to 15:59: it is given UTC.
  toDriver: (value) => new Date(value).toISOString(),
  fromDriver: (value) => new Date(value).toISOString(),
})

/** Bytes: `pg` answers a Buffer, PGlite a Uint8Array. */
export const bytes = customType<{ data: Buffer; driverData: Uint8Array }>({
  dataType: () => 'bytea',
  fromDriver: (value) => Buffer.from(value.buffer, value.byteOffset, value.byteLength),
})

/** PostgreSQL's 64-bit transaction id; only ever compared inside the database. */
export const transactionId = customType<{ data: string }>({ dataType: () => 'xid8' })
