// One process at a time in a data directory. PGlite takes no lock of its own, and a second process would lose rows.
//
// The lock is a file that names its holder and has a heartbeat: its time of modification. On this host the holder is gone
// when its process is, however long the heart has stood still: a busy machine can stop it for many seconds. Where process
// ids say nothing (another host, or a container, where everybody is number 1) the heart is watched until it is surely dead.
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
const DEAD_AFTER_MS = 30_000 // fifteen heartbeats missed
const WATCHED_MS = 3 * HEARTBEAT_MS // a machine that slept has old heartbeats at first

interface Holder {
  pid: number
  host: string
  /** What tells the process from a later one with the same id; undefined where the system does not say. */
  started: string | undefined
  nonce: string
}

/** When a process began, in Linux's words: the boot, and the clock ticks since. */
const startOf = (pid: number): string | undefined => {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '') // a name may have spaces in it
    return `${boot}:${fields.split(' ')[19]}` // proc(5): starttime, the 22nd of all
  } catch {
    return undefined
  }
}

const isAlive = (pid: number, started: string | undefined): boolean => {
  try {
    process.kill(pid, 0)
    return started === undefined || started === (startOf(pid) ?? started)
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
  const { pid, host, started } = holderOf(file)
  if (pid !== undefined && host === hostname() && pid !== process.pid) return !isAlive(pid, started)
  const first = beatOf(file)
  const since = Date.now()
  for (;;) {
    const beat = beatOf(file)
    if (beat === undefined) return true
    if (beat !== first) return false
    if (Date.now() - beat > DEAD_AFTER_MS && Date.now() - since > WATCHED_MS) return true
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
  const { pid } = process
  const holder: Holder = { pid, host: hostname(), started: startOf(pid), nonce: randomBytes(8).toString('hex') }
  if (!create(file, holder) && !(await takeOver(file, holder))) {
    const { pid, host } = holderOf(file)
    throw new DirectoryInUse([
      `${directory} is in use by another Tenantry process (${pid} on ${host}, says ${file}); stop that one, or set TENANTRY_DATA_DIR to another directory`,
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
