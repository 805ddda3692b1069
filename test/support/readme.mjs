// The quick start of README.md, executed as it is written, in a fresh copy of this checkout.
//
//   ```sh serve=<url>    a terminal of its own, left running; goes on once the url answers
//   ```sh run            typed into one shell that all of them share
//   ```json answer       what the block before must have printed; "…" stands for anything, "abc…" for what begins so
//   ```nginx file=<path>  nothing to type: a copy of an example, which its own test compares and runs
//
// One thing is changed: the ports of the serve blocks become free ones, so that a service that runs here is no hindrance,
// and TENANTRY_URL tells the command so.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const NOT_IN_A_CHECKOUT = new Set(['.git', '.tap', '.tenantry', 'build.lock', 'dist', 'node_modules'])
const READY_WITHIN_MS = 240_000 // the first block installs and builds

const place = fs.mkdtempSync(path.join(tmpdir(), 'tenantry-readme-'))
const checkout = path.join(place, 'checkout')
const terminals = []
const blocks = blocksOf(fs.readFileSync(path.join(repository, 'README.md'), 'utf8'))
let passed = 0
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    closeTerminals()
    process.exit(1)
  })
}

try {
  assert(blocks.some(({ kind }) => kind === 'run') && blocks.some(({ kind }) => kind === 'serve'), 'nothing to execute')
  fs.cpSync(repository, checkout, { recursive: true, filter: (file) => !NOT_IN_A_CHECKOUT.has(path.basename(file)) })
  await play(blocks)
} catch (error) {
  process.exitCode = 1
  process.stdout.write(`not ok ${passed + 1}\n${error.stack}\n`)
  for (const { said } of terminals) process.stdout.write(`--- a terminal said\n${said()}\n`)
} finally {
  closeTerminals()
  await Promise.all(terminals.map(({ ended }) => ended))
  fs.rmSync(place, { recursive: true, force: true })
}
const fails = blocks.length - passed
process.stdout.write(`# { total: ${blocks.length}, pass: ${passed}${fails === 0 ? '' : `, fail: ${fails}`} }\n`)

async function play(blocks) {
  const ports = await freePorts(blocks)
  const shell = openTerminal({ TENANTRY_URL: withPorts('http://127.0.0.1:3000', ports) })
  shell.type('set -euo pipefail')
  for (const block of blocks) {
    const text = withPorts(block.text, ports)
    if (block.kind === 'serve') await serve(text, withPorts(block.url, ports))
    else checkAnswer(block.answer, await shell.run(text))
    passed++
    process.stdout.write(`ok ${passed} - README.md:${block.line}\n`)
  }
}

async function serve(text, url) {
  const terminal = openTerminal({ PORT: new URL(url).port })
  terminal.type(text)
  for (const deadline = Date.now() + READY_WITHIN_MS; ; await delay(100)) {
    assert(!terminal.isOver(), 'the terminal closed instead of serving')
    const answer = await fetch(url).catch(() => undefined)
    if (answer?.ok) return
    assert(Date.now() < deadline, `${url} did not answer in time`)
  }
}

function checkAnswer(expected, printed) {
  if (expected === undefined) return
  const answer = JSON.parse(printed)
  assert(looksLike(answer, JSON.parse(expected)), `expected ${expected}\nprinted ${printed}`)
}

function looksLike(value, expected) {
  if (expected === '…') return value !== undefined
  if (typeof expected === 'string' && expected.endsWith('…')) return beginsAlike(value, expected)
  if (typeof expected !== 'object' || expected === null) return value === expected
  if (typeof value !== 'object' || value === null || Array.isArray(value) !== Array.isArray(expected)) return false
  const keys = new Set([...Object.keys(value), ...Object.keys(expected)])
  return [...keys].every((key) => looksLike(value[key], expected[key]))
}

/** An id or a time shows its form in the README; here it is another one. */
function beginsAlike(value, expected) {
  const form = (text) => text.replaceAll(/[0-9a-f]/g, '0')
  return typeof value === 'string' && form(value).startsWith(form(expected.slice(0, -1)))
}

// --- terminals ------------------------------------------------------------------------------------------------------

function openTerminal(settings = {}) {
  // In a process group of its own, because what npm starts must end with it.
  const shell = spawn('bash', ['--noprofile', '--norc', '-s'], {
    cwd: checkout,
    detached: true,
    env: { ...cleanEnvironment(), ...settings },
  })
  const ended = once(shell, 'close')
  const marker = 'this-block-is-over'
  let said = ''
  let printed = ''
  shell.stdout.on('data', (text) => {
    said += text
    printed += text
  })
  shell.stderr.on('data', (text) => {
    said += text
  })
  shell.stdin.on('error', () => {}) // it has closed; whoever waits for it says so
  const isOver = () => shell.exitCode !== null || shell.signalCode !== null
  const type = (text) => shell.stdin.write(`${text}\n`)
  const run = async (text) => {
    printed = ''
    type(text)
    type(`echo ${marker}`)
    while (!printed.includes(`${marker}\n`)) {
      assert(!isOver(), `the shell ended at:\n${text}`)
      await delay(20)
    }
    return printed.slice(0, printed.indexOf(marker))
  }
  const terminal = { pid: shell.pid, type, run, isOver, ended, said: () => said }
  terminals.push(terminal)
  return terminal
}

function closeTerminals() {
  for (const { pid, isOver } of terminals) if (!isOver()) process.kill(-pid, 'SIGTERM')
}

/** As somebody has it who never heard of Tenantry, or of the npm script that runs this. */
function cleanEnvironment() {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(TENANTRY_|npm_lifecycle|npm_package|DATABASE_URL|HOST$)/.test(name),
  )
  return { ...Object.fromEntries(kept), npm_config_prefer_offline: 'true' }
}

// --- the README -----------------------------------------------------------------------------------------------------

function blocksOf(readme) {
  const blocks = []
  for (const { 1: language, 2: info, 3: text, index } of readme.matchAll(/^```(\w+) (\S+)\n(.*?)^```$/gms)) {
    const line = readme.slice(0, index).split('\n').length
    const [kind, url] = info.split('=')
    if (language === 'sh' && (kind === 'run' || kind === 'serve')) blocks.push({ kind, url, text, line })
    else if (language === 'json' && kind === 'answer') blocks.at(-1).answer = text
    else if (kind !== 'file') throw new Error(`README.md:${line}: what is a ${language} block "${info}"?`)
  }
  return blocks
}

async function freePorts(blocks) {
  const written = blocks.filter(({ kind }) => kind === 'serve').map(({ url }) => new URL(url).port)
  const servers = written.map(() => net.createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = written.map((port, index) => [port, String(servers[index].address().port)])
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

function withPorts(text, ports) {
  return ports.reduce(
    (changed, [written, free]) => changed.replaceAll(`127.0.0.1:${written}`, `127.0.0.1:${free}`),
    text,
  )
}
