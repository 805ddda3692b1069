// Where the service listens that uses a data directory: so that its root key is sent there, and to nobody else.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const fileIn = (directory: string): string => join(directory, 'address')

export const noteAddress = (directory: string, address: string): void =>
  writeFileSync(fileIn(directory), `${address}\n`, { mode: 0o600 })

export const forgetAddress = (directory: string): void => rmSync(fileIn(directory), { force: true })

/** Undefined when no service has said where it is. */
export const notedAddress = (directory: string): string | undefined => {
  try {
    return readFileSync(fileIn(directory), 'utf8').trim()
  } catch {
    return undefined
  }
}
