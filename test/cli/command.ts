// The `tenantry` command, with an environment of its own: in a thread, and where the process itself matters as a process.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { Test } from 'tap'

export const COMMAND = fileURLToPath(new URL('../../bin/tenantry.mjs', import.meta.url))

type Environment = Record<string, string>

const environment = (given: Environment): Environment => ({ PATH: process.env.PATH ?? '', ...given })

export interface End {
  code: number | null
  out: string
  err: string
}

/** Runs a command to its end as a process: a start costs half a second. */
export const runProcess = async (args: string[], env: Environment, input = ''): Promise<End> => {
  const child = spawn(process.execPath, [COMMAND, ...args], { env: environment(env) })
  const end = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text) => {
    end.out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    end.err += text
  })
  child.stdin.on('error', () => {}) // a command that reads nothing may have ended
  child.stdin.end(input)
  const [code] = await once(child, 'close')
  return { code, ...end }
}

interface Host {
  worker: Worker
  last: Promise<unknown>
}

let host: Host | undefined

const aHost = (): Host => {
  const worker = new Worker(new URL('command-host.ts', import.meta.url))
  worker.unref()
  return { worker, last: Promise.resolve() }
}

/** Runs a command to its end, one after the other. */
export const run = (args: string[], env: Environment, input = ''): Promise<End> => {
  host ??= aHost()
  const { worker, last } = host
  const end = last.then(async () => {
    worker.ref()
    const answered = once(worker, 'message')
    worker.postMessage({ args, env: environment(env), input })
    const [answer] = await answered
    worker.unref()
    return answer as End
  })
  host.last = end
  return end
}

export const aDirectory = (t: Test): string => {
  const directory = mkdtempSync(join(tmpdir(), 'tenantry-cli-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

export interface Running {
  url: string
  child: ChildProcess
  /** What it logged until it listened. */
  logged: Record<string, unknown>[]
}

/** `tenantry serve` on a free port, without a terminal; answers when it listens. */
export const serve = async (t: Test, env: Environment, ...args: string[]): Promise<Running> => {
  const child = spawn(process.execPath, ['--liftoff-only', COMMAND, 'serve', ...args], {
    env: environment({ PORT: '0', ...env }),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const logged: Record<string, unknown>[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    const entry = JSON.parse(line)
    logged.push(entry)
    if (entry.msg === 'listening') {
      child.stdout.resume() // nobody reads the rest, and a full pipe would stop it
      return { url: entry.address, child, logged }
    }
  }
  throw new Error('tenantry serve ended before it listened')
}

/** A request whose head has reached the service and whose body has not: it is under way until `finish`. */
export const holdRequest = async (url: string, key: string): Promise<{ finish(): Promise<string> }> => {
  const body = JSON.stringify({ name: 'Held' })
  const socket = net.connect(Number(new URL(url).port), '127.0.0.1').setEncoding('utf8')
  socket.on('error', () => {}) // it is cut when the service gives it up
  socket.write(
    [
      'POST /tenants HTTP/1.1',
      'Host: tenantry',
      `Authorization: Bearer ${key}`,
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
      'Expect: 100-continue',
      '\r\n',
    ].join('\r\n'),
  )
  await once(socket, 'data') // 100 Continue: the service has read the head
  return {
    finish: async () => {
      socket.write(body)
      const [answer] = await once(socket, 'data')
      socket.destroy()
      return answer
    },
  }
}

/** Asks until readiness is what is expected; the test's own time limit ends it otherwise. */
export const untilReadyz = async (
  url: string,
  status: number,
): Promise<{ checks: { name: string; ok: boolean }[] }> => {
  for (;;) {
    const response = await fetch(`${url}/readyz`)
    const body = (await response.json()) as { checks: { name: string; ok: boolean }[] }
    if (response.status === status) return body
  }
}
