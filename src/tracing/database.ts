// A database connection whose statements and transactions are spans, by the statement's name: never with its values.
import type { Connection } from '../database/connection.ts'

export type InSpan = <T>(name: string, work: () => Promise<T>) => Promise<T>

export const tracedConnection = (connection: Connection, inSpan: InSpan): Connection => ({
  ...connection,
  transaction: (work) => inSpan('database transaction', () => connection.transaction(work)),
  value: (statement, parameters) => inSpan(`database ${statement.name}`, () => connection.value(statement, parameters)),
})
