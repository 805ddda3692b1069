// @ts-check
// The two services of the demo as real processes: a fresh Tenantry on an empty directory, and the invoices behind it.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const READY_WITHIN_MS = 30_000 // a fresh database takes some seconds to be made, on a busy machine more
const STOP_WITHIN_MS = 5_000

/** @typedef {{ url: string, stop: () => Promise<void> }} Service */

/** @param {string} path from the root of the repository */
const inRepository = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/** @type {(() => Promise<void>)[]} */
const cleaning = []

/** Stops whatever was started, however far it came, and removes what it kept. */
export async function cleanUp() {
  await Promise.allSettled(cleaning.map((stop) => stop()))
}

/** @returns {Promise<Service & { root_api_key: string }>} */
export async function startTenantry() {
  const directory = mkdtempSync(join(tmpdir(), 'tenantry-demo-'))
  const port = await freePort()
  const running = start([inRepository('bin/tenantry.mjs'), 'serve'], {
    ...{ PORT: port, TENANTRY_DATA_DIR: directory, LOG_LEVEL: 'warn' },
    // Whatever the shell is set up for, the demo plays on a database of its own.
    ...{ HOST: '127.0.0.1', DATABASE_URL: '', TENANTRY_ISSUER: '', TENANTRY_ROOT_API_KEY: '', TENANTRY_AUDIENCES: '' },
  })
  const stop = () => running.stop().finally(() => rmSync(directory, { recursive: true, force: true }))
  cleaning.push(stop)
  const url = `http://127.0.0.1:${port}`
  await untilReady(`${url}/readyz`, running.output)
  return { url, root_api_key: readFileSync(join(directory, 'root-api-key'), 'utf8').trim(), stop }
}

/**
 * @param {{ issuer: string, audience: string }} settings
 * @returns {Promise<Service>}
 */
export async function startDownstream({ issuer, audience }) {
  const port = await freePort()
  const running = start([inRepository('examples/downstream/server.mjs')], {
    ...{ PORT: port, TENANTRY_ISSUER: issuer, AUDIENCE: audience },
  })
  cleaning.push(running.stop)
  const url = `http://127.0.0.1:${port}`
  await untilReady(`${url}/livez`, running.output)
  return { url, stop: running.stop }
}

/**
 * @param {string[]} command
 * @param {Record<string, string>} settings
 */
function start(command, settings) {
  const child = spawn(process.execPath, command, {
    env: { ...process.env, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'exit')
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => {
      said += text
    })
  }
  /** What it said, once it has ended by itself. */
  const output = () => (child.exitCode === null ? undefined : said)
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    const patience = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS)
    await ended
    clearTimeout(patience)
  }
  return { output, stop }
}

/**
 * @param {string} url
 * @param {() => string | undefined} output
 */
async function untilReady(url, output) {
  for (const deadline = Date.now() + READY_WITHIN_MS; Date.now() < deadline; await delay(50)) {
    const answer = await fetch(url).catch(() => undefined)
    if (answer?.ok) return
    const last_words = output()
    if (last_words !== undefined) throw new Error(`a process ended instead of answering ${url}:\n${last_words}`)
  }
  throw new Error(`${url} was not ready within ${READY_WITHIN_MS / 1000} s`)
}

/** @returns {Promise<string>} a port that was free a moment ago */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (typeof address !== 'object' || address === null) throw new Error('a TCP server has an address with a port')
  return String(address.port)
}
