// The data directory of embedded mode: the keys beside the data, and the database itself, open in one process at a time.
import { randomBytes } from 'node:crypto'
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { makeSecret } from '../api-keys/secrets.ts'
import { ConfigError } from '../config.ts'
import { KEY_BYTES } from '../sealing.ts'
import { type Connection, embeddedConnection } from './connection.ts'
import { forgetAddress } from './directory-address.ts'
import { lockDirectory } from './directory-lock.ts'
import { migrateEmbedded } from './migrations.ts'

export { DirectoryInUse } from './directory-lock.ts'

/** Reads a secret file of this directory, or makes it: mode 0600, never half-written. */
const keepSecret = (directory: string, name: string, make: () => string): string => {
  const file = join(directory, name)
  if (existsSync(file)) return readFileSync(file, 'utf8').trim()
  const fresh = `${file}.new`
  rmSync(fresh, { force: true })
  const descriptor = openSync(fresh, 'wx', 0o600)
  const secret = make()
  writeSync(descriptor, `${secret}\n`)
  closeSync(descriptor)
  renameSync(fresh, file)
  return secret
}

export interface EmbeddedDirectory {
  connection: Connection
  root_api_key: string
  root_api_key_file: string
  encryption_key: Buffer
}

/** @throws ConfigError when this user may not write there, as in a container whose files are read-only */
const makeWritable = (directory: string): void => {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    accessSync(directory, constants.W_OK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ConfigError([
      `${directory} cannot be written by user ${process.getuid?.() ?? ''} (${code}); name a directory of that user as TENANTRY_DATA_DIR, in a container a volume, or a PostgreSQL as DATABASE_URL`,
    ])
  }
}

/** Opens the directory for this process alone. @throws DirectoryInUse, ConfigError */
export const openDirectory = async (path: string): Promise<EmbeddedDirectory> => {
  const directory = resolve(path)
  makeWritable(directory)
  const unlock = await lockDirectory(directory)
  try {
    const client = await PGlite.create({ dataDir: join(directory, 'database') })
    await migrateEmbedded(client)
    const connection = embeddedConnection(client)
    const leave = (): void => {
      forgetAddress(directory)
      unlock()
    }
    return {
      connection: { ...connection, close: () => connection.close().finally(leave) },
      root_api_key: keepSecret(directory, 'root-api-key', makeSecret),
      root_api_key_file: join(directory, 'root-api-key'),
      encryption_key: Buffer.from(
        keepSecret(directory, 'encryption-key', () => randomBytes(KEY_BYTES).toString('base64')),
        'base64',
      ),
    }
  } catch (error) {
    unlock()
    throw error
  }
}

export interface ExistingDirectory {
  connection: Connection
  /** Undefined where the environment gives the key, and no start without it ever made one. */
  encryption_key: Buffer | undefined
}

/** Opens what a service has made, to look at it: makes nothing and migrates nothing. @throws DirectoryInUse, ConfigError */
export const openExistingDirectory = async (path: string): Promise<ExistingDirectory> => {
  const directory = resolve(path)
  const dataDir = join(directory, 'database')
  if (!existsSync(join(dataDir, 'PG_VERSION'))) {
    throw new ConfigError([
      `${directory} holds no database; set DATABASE_URL or TENANTRY_DATA_DIR, or \`tenantry serve\` first`,
    ])
  }
  const unlock = await lockDirectory(directory)
  try {
    const connection = embeddedConnection(await PGlite.create({ dataDir }))
    const file = join(directory, 'encryption-key')
    return {
      connection: { ...connection, close: () => connection.close().finally(unlock) },
      encryption_key: existsSync(file) ? Buffer.from(readFileSync(file, 'utf8').trim(), 'base64') : undefined,
    }
  } catch (error) {
    unlock()
    throw error
  }
}
