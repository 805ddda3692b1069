// The service as a process of its own, started as anybody starts it, and ended as anything ends it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import readline from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

const repository = fileURLToPath(new URL('../..', import.meta.url))

export interface End {
  code: number | null
  signal: NodeJS.Signals | null
  stderr: string
}

export interface Process {
  child: ChildProcess
  /** Its address; undefined when it ends instead of listening. */
  listening: Promise<string | undefined>
  /** When it has logged this. */
  logged(pattern: RegExp): Promise<void>
  ended: Promise<End>
}

const COMMAND = 'bin/tenantry.mjs'

/** `tenantry serve` with these settings and nothing else of the environment; of another checkout's command, if one is given. */
export const serve = (t: Test, settings: Record<string, string>, command = COMMAND): Process => {
  const child = spawn(process.execPath, ['--liftoff-only', command, 'serve'], {
    cwd: repository,
    // A machine that runs tests may be too slow for the limit of the event loop's delay.
    env: { PATH: process.env.PATH, PORT: '0', TENANTRY_MAX_EVENT_LOOP_DELAY_MS: '0', ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, stderr }))
  const lines = readline.createInterface({ input: child.stdout })
  const said: string[] = []
  const listening = new Promise<string>((resolve) => {
    lines.on('line', (line) => {
      const { msg, address } = JSON.parse(line)
      said.push(msg)
      if (msg === 'listening') resolve(address)
    })
  })
  const logged = async (pattern: RegExp): Promise<void> => {
    while (!said.some((msg) => pattern.test(msg))) await Promise.race([once(lines, 'line'), ended.then(fail)])
  }
  const fail = (): never => {
    throw new Error(`it ended without having logged that: ${stderr}`)
  }
  return { child, ended, listening: Promise.race([listening, ended.then(() => undefined)]), logged }
}

/** As a crash ends it: no farewell. */
export const kill9 = async ({ child, ended }: Process): Promise<void> => {
  child.kill('SIGKILL')
  await ended
}

export const stop = async ({ child, ended }: Process): Promise<End> => {
  child.kill('SIGTERM')
  return ended
}

/** @throws with what it said, when it ended instead */
export const addressOf = async ({ listening, ended }: Process): Promise<string> => {
  const address = await listening
  if (address === undefined) throw new Error(`it does not listen: ${(await ended).stderr}`)
  return address
}

export const aFolder = (t: Test): string => {
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'tenantry-operations-'))
  t.teardown(() => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

// biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever came back
type Json = any

/** Speaks to a process with one credential. Rejects when there is nobody to answer. */
export const request = async (
  address: string,
  credential: string,
  target: string,
  body?: object,
): Promise<{ status: number; body: Json }> => {
  const [method = 'GET', url = '/'] = target.split(' ')
  const response = await fetch(`${address}${url}`, {
    method,
    headers: {
      authorization: `Bearer ${credential}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: response.status, body: await response.json() }
}
