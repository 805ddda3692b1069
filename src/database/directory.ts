// The data directory of embedded mode: its lock, the keys beside the data, and the database itself. PGlite takes no lock
// and a second process would lose rows, so the lock is ours.
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { PGlite } from '@electric-sql/pglite'
import { makeSecret } from '../api-keys/secrets.ts'
import { KEY_BYTES } from '../sealing.ts'
import { type Connection, embeddedConnection } from './connection.ts'
import { migrateEmbedded } from './migrations.ts'

/** Another process uses the directory. */
export class DirectoryInUse extends Error {}

const HEARTBEAT_MS = 2_000
const DEAD_AFTER_MS = 10_000 // five heartbeats missed

interface Holder {
  pid: number
  host: string
  nonce: string
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

const beatOf = (file: string): number | undefined => statSync(file, { throwIfNoEntry: false })?.mtimeMs

const holderOf = (file: string): Partial<Holder> => {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) // our own format; anything else is an interrupted write
  } catch {
    return {}
  }
}

/**
 * A lock file with a heartbeat. Its holder is gone when its process is (on this host), or else when the heart has
 * stopped, which is watched for: process ids alone would lie between containers, where everybody is number 1.
 */
const isAbandoned = async (file: string): Promise<boolean> => {
  const { pid, host } = holderOf(file)
  if (pid !== undefined && host === hostname() && pid !== process.pid && !isAlive(pid)) return true
  const first = beatOf(file)
  for (;;) {
    const beat = beatOf(file)
    if (beat === undefined || Date.now() - beat > DEAD_AFTER_MS) return true
    if (beat !== first) return false
    await setTimeout(HEARTBEAT_MS / 4)
  }
}

const create = (file: string, holder: Holder): boolean => {
  try {
    const descriptor = openSync(file, 'wx', 0o600)
    writeSync(descriptor, JSON.stringify(holder))
    closeSync(descriptor)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Moves an abandoned lock aside; of two that try at once only one finds it there. */
const clear = (file: string, nonce: string): void => {
  const aside = `${file}.${nonce}`
  try {
    renameSync(file, aside)
    rmSync(aside, { force: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

const lock = async (directory: string): Promise<() => void> => {
  const file = join(directory, 'lock')
  const holder: Holder = { pid: process.pid, host: hostname(), nonce: randomBytes(8).toString('hex') }
  if (!create(file, holder)) {
    if (await isAbandoned(file)) clear(file, holder.nonce)
    if (!create(file, holder)) {
      throw new DirectoryInUse(
        `${directory} is in use by another Tenantry process. Stop that one, or set TENANTRY_DATA_DIR to another directory.`,
      )
    }
  }
  const heart = setInterval(() => utimesSync(file, new Date(), new Date()), HEARTBEAT_MS)
  heart.unref()
  return () => {
    clearInterval(heart)
    rmSync(file, { force: true })
  }
}

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

/** Opens the directory for this process alone. @throws DirectoryInUse */
export const openDirectory = async (path: string): Promise<EmbeddedDirectory> => {
  const directory = resolve(path)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const unlock = await lock(directory)
  try {
    const client = await PGlite.create({ dataDir: join(directory, 'database') })
    await migrateEmbedded(client)
    const connection = embeddedConnection(client)
    return {
      connection: { ...connection, close: () => connection.close().finally(unlock) },
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
