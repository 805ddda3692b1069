// Packs both packages, installs them where nothing of this repository is, and uses them the way their users will.

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const { version } = JSON.parse(fs.readFileSync(path.join(repository, 'package.json'), 'utf8'))

const place = fs.mkdtempSync(path.join(tmpdir(), 'tenantry-packages-'))
const empty = path.join(place, 'empty')
try {
  fs.mkdirSync(empty)
  const { client, service } = pack()
  containsWhatItNeeds(service)
  useClient(client)
  await useService(service)
} finally {
  fs.rmSync(place, { recursive: true, force: true })
}

function pack() {
  run(
    repository,
    'npm',
    'pack',
    '--silent',
    '--workspace=@tenantry/client',
    '--include-workspace-root',
    `--pack-destination=${place}`,
  )
  return {
    client: path.join(place, `tenantry-client-${version}.tgz`),
    service: path.join(place, `tenantry-${version}.tgz`),
  }
}

function containsWhatItNeeds(tarball) {
  const files = run(place, 'tar', '-tzf', tarball).trim().split('\n')
  for (const needed of [
    'bin/tenantry.mjs',
    'dist/cli/main.js',
    'dist/docs/reference.js',
    'dist/openapi.json',
    'drizzle/meta/_journal.json',
    'openapi.yaml',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
  ]) {
    assert(files.includes(`package/${needed}`), `the tenantry package lacks ${needed}`)
  }
  const surplus = files.filter((file) => /^package\/(src|test|clients|node_modules|dist\/\.)/.test(file))
  assert.deepEqual(surplus, [], 'the tenantry package holds what only a checkout needs')
  say(`packed, ${files.length} files in the service`)
}

// Alone, without fastify and without the service: that is how most of its users have it.
function useClient(tarball) {
  fs.writeFileSync(path.join(empty, 'package.json'), '{ "private": true, "type": "module" }')
  install(tarball)
  const names = node("console.log(Object.keys(await import('@tenantry/client')).join(' '))").trim()
  assert.notEqual(names, '', '@tenantry/client exports nothing')
  say(`@tenantry/client exports ${names}`)

  fs.writeFileSync(path.join(empty, 'use.mts'), "export * from '@tenantry/client'\n")
  const compiler = path.join(repository, 'node_modules/typescript/lib/tsc.js')
  const flags = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2022']
  run(empty, process.execPath, compiler, ...flags, 'use.mts')
  say('and its types compile')
}

async function useService(tarball) {
  install(tarball)
  const command = path.join(empty, 'node_modules/.bin/tenantry')
  assert.match(run(empty, command, '--version'), new RegExp(`\\b${version.replaceAll('.', '\\.')}\\b`))

  const port = await freePort()
  const child = spawn(command, ['serve'], {
    cwd: empty,
    env: { PATH: process.env.PATH, HOST: '127.0.0.1', PORT: String(port), TENANTRY_DATA_DIR: path.join(place, 'data') },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const ended = once(child, 'exit')
  try {
    const base = `http://127.0.0.1:${port}`
    await untilReady(`${base}/readyz`, child)
    for (const route of ['/livez', '/openapi.json', '/docs', '/docs/reference.js', '/.well-known/jwks.json']) {
      assert.equal((await fetch(base + route)).status, 200, `GET ${route}`)
    }
    assert.equal((await fetch(`${base}/tenants`)).status, 401, 'GET /tenants without a credential')
    say('the installed service answers')
  } finally {
    child.kill('SIGTERM')
  }
  assert.deepEqual(await ended, [0, null], 'the service ends by itself, in order, when it is told to')
  say('and stops when it is told to')
}

async function untilReady(url, child) {
  for (const deadline = Date.now() + 60_000; ; await delay(100)) {
    assert.equal(child.exitCode, null, 'the installed service ended instead of serving')
    const answer = await fetch(url).catch(() => undefined)
    if (answer?.ok) return
    assert(Date.now() < deadline, `${url} was not ready within a minute`)
  }
}

function install(tarball) {
  run(empty, 'npm', 'install', '--no-audit', '--no-fund', '--prefer-offline', tarball)
}

function node(script) {
  return run(empty, process.execPath, '--input-type=module', '--eval', script)
}

function run(cwd, command, ...args) {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
}

function say(what) {
  process.stdout.write(`${what}\n`)
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}
