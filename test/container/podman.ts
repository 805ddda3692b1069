// Containers for a test: podman with a storage of its own, which is gone afterwards. No daemon, no registry.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Test } from 'tap'
import type { Podman } from './stand-ins.ts'

/** Why containers cannot be run here; false when they can. */
export const missing = (): string | false => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux'
  const absent = ['podman', 'runc', 'catatonit'].filter((name) => spawnSync('which', [name]).status !== 0)
  return absent.length > 0 && `needs ${absent.join(', ')}`
}

// Limits that this machine may give on, a log that is ours to read, no timers of systemd, and the machine's own network.
const RUN = [
  '--ulimit=nofile=4096:4096',
  '--ulimit=nproc=4096:4096',
  '--log-driver=none',
  '--health-interval=disable',
  '--network=host',
]

interface End {
  code: number
  out: string
  err: string
}

export interface Running {
  /** When it listens: the log says so, nothing is polled. */
  listening: Promise<string>
  ended: Promise<End>
}

export class Containers {
  readonly folder: string
  readonly #global: string[]

  constructor(t: Test) {
    this.folder = mkdtempSync(join(tmpdir(), 'tenantry-image-'))
    this.#global = [
      ...[`--root=${this.folder}/storage`, `--runroot=${this.folder}/run`, `--tmpdir=${this.folder}/tmp`],
      ...['--log-level=fatal', '--runtime=runc', '--cgroup-manager=cgroupfs', '--events-backend=file'],
    ]
    t.teardown(() => this.#clear())
    // tap's own time limit: containers would outlive the test.
    process.once('SIGTERM', () => {
      this.#clear()
      process.exit(143)
    })
  }

  podman: Podman = (...args) =>
    execFileSync('podman', [...this.#global, ...args], { encoding: 'utf8', maxBuffer: 2 ** 26 }).trim()

  #clear(): void {
    for (const args of [
      ['rm', '--all', '--force', '--time=0'],
      ['image', 'umount', '--all', '--force'],
    ])
      spawnSync('podman', [...this.#global, ...args])
    if (existsSync(this.folder)) rmSync(this.folder, { recursive: true, force: true })
  }

  /** Starts one and leaves it running. */
  start(name: string, flags: string[], image: string, command: string[] = []): Running {
    const args = [...this.#global, 'run', '--rm', `--name=${name}`, ...RUN, ...flags, image, ...command]
    const child = spawn('podman', args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const [out, err] = [linesOf(child.stdout), linesOf(child.stderr)]
    const ended = once(child, 'close').then(([code]) => ({ code, out: out.all.join('\n'), err: err.all.join('\n') }))
    const tooEarly = ended.then(({ code, out, err }) => {
      throw new Error(`${name} ended with ${code} and never listened:\n${out}\n${err}`)
    })
    const listening = Promise.race([addressIn(out.reader), tooEarly])
    listening.catch(() => {}) // some are expected to end
    return { listening, ended }
  }

  run(name: string, flags: string[], image: string, command: string[] = []): Promise<End> {
    return this.start(name, flags, image, command).ended
  }
}

const linesOf = (stream: Readable): { reader: Interface; all: string[] } => {
  const reader = createInterface({ input: stream })
  const all: string[] = []
  reader.on('line', (line) => all.push(line))
  return { reader, all }
}

const addressIn = (reader: Interface): Promise<string> =>
  new Promise((resolve) => {
    reader.on('line', (line) => {
      const entry = line.startsWith('{') ? (JSON.parse(line) as { msg?: string; address?: string }) : {}
      if (entry.msg === 'listening') resolve(entry.address ?? '')
    })
  })
