// One process at a time in a data directory. PGlite takes no lock of its own, and a second process would lose rows.
//
// The lock is a file that names its holder and has a heartbeat: its time of modification. The holder is gone when its
// process is (on this host), or else when the heart has stopped, which is watched for: process ids alone would lie between
// containers, where everybody is number 1.
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { ConfigError } from '../config.ts'

/** Another process uses the directory. */
export class DirectoryInUse extends ConfigError {}

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
    return codeOf(error) === 'EPERM'
  }
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code

const beatOf = (file: string): number | undefined => statSync(file, { throwIfNoEntry: false })?.mtimeMs

const holderOf = (file: string): Partial<Holder> => {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) // our own format; anything else is an interrupted write
  } catch {
    return {}
  }
}

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
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/** Goes through if nobody else is in it. One in which somebody died is cleared away. */
const enterTurnstile = (turnstile: string): boolean => {
  const since = beatOf(turnstile)
  if (since !== undefined && Date.now() - since > 2 * DEAD_AFTER_MS) rmSync(turnstile, { recursive: true, force: true })
  try {
    mkdirSync(turnstile)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/**
 * Takes the place of a holder that is gone. Looks once more inside a turnstile: of two that saw the dead holder, the second
 * would otherwise remove the lock that the first has just made.
 */
const takeOver = async (file: string, holder: Holder): Promise<boolean> => {
  const turnstile = `${file}.taking-over`
  if (!(await isAbandoned(file)) || !enterTurnstile(turnstile)) return false
  try {
    if (!(await isAbandoned(file))) return false
    rmSync(file, { force: true })
    return create(file, holder)
  } finally {
    rmdirSync(turnstile)
  }
}

/** Answers how to give the lock back. @throws DirectoryInUse */
export const lockDirectory = async (directory: string): Promise<() => void> => {
  const file = join(directory, 'lock')
  const holder: Holder = { pid: process.pid, host: hostname(), nonce: randomBytes(8).toString('hex') }
  if (!create(file, holder) && !(await takeOver(file, holder))) {
    throw new DirectoryInUse([
      `${directory} is in use by another Tenantry process; stop that one, or set TENANTRY_DATA_DIR to another directory`,
    ])
  }
  const isOurs = (): boolean => holderOf(file).nonce === holder.nonce
  const heart = setInterval(() => {
    // This process stood still so long that another took over. To go on writing would destroy the other's data.
    if (!isOurs()) throw new Error(`the lock of ${directory} was lost to another process`)
    utimesSync(file, new Date(), new Date())
  }, HEARTBEAT_MS)
  heart.unref()
  return () => {
    clearInterval(heart)
    if (isOurs()) rmSync(file, { force: true })
  }
}
