// bin/tenantry.mjs and bin/build.mjs as real processes in a small tree of their own, with a compiler that only pretends:
// it notes that it ran, waits at a gate if there is one, and writes the outputs.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import { hostname, tmpdir } from 'node:os'
import path from 'node:path'
import readline from 'node:readline'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

const repository = fileURLToPath(new URL('../..', import.meta.url))

const compiler = `
  const fs = require('node:fs')
  fs.appendFileSync('builds.log', process.argv.slice(2).join(' ') + '\\n')
  const finish = () => {
    for (const file of ['dist/cli/main.js', 'clients/node/dist/index.js']) {
      fs.mkdirSync(require('node:path').dirname(file), { recursive: true })
      fs.writeFileSync(file, 'console.log("started", ...process.argv.slice(2))')
    }
    process.exit(fs.existsSync('broken') ? 2 : 0)
  }
  if (process.env.GATE) require('node:net').connect(process.env.GATE).on('data', finish).on('close', () => process.exit(1))
  else finish()
`

function aCheckout(t: Test) {
  const root = fs.mkdtempSync(path.join(tmpdir(), 'tenantry-launcher-'))
  t.teardown(() => fs.rmSync(root, { recursive: true, force: true }))
  const file = (name: string) => path.join(root, name)
  const write = (name: string, content: string) => {
    fs.mkdirSync(path.dirname(file(name)), { recursive: true })
    fs.writeFileSync(file(name), content)
  }
  for (const name of ['tenantry.mjs', 'build.mjs']) {
    write(`bin/${name}`, fs.readFileSync(path.join(repository, 'bin', name), 'utf8'))
  }
  write('package.json', '{ "type": "module" }')
  write('src/cli/main.ts', '')
  write('clients/node/src/index.ts', '')
  write('openapi.yaml', '')
  write('node_modules/yaml/dist/index.js', 'exports.parse = () => ({})')
  write('node_modules/yaml/package.json', '{}')
  write('node_modules/typescript/lib/tsc.js', compiler)
  write('node_modules/@scalar/fastify-api-reference/dist/js/standalone.js', '// reference')

  const builds = () => {
    if (!fs.existsSync(file('builds.log'))) return []
    return fs.readFileSync(file('builds.log'), 'utf8').trimEnd().split('\n')
  }
  const start = (...args: string[]) => launch(t, root, args, {})
  const startAtGate = (gate: string) => launch(t, root, ['serve'], { GATE: gate })
  return { root, file, write, builds, start, startAtGate }
}

function launch(t: Test, root: string, args: string[], env: Record<string, string>) {
  const child = spawn(process.execPath, ['bin/tenantry.mjs', ...args], {
    cwd: root,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const said = { out: '', err: '' }
  child.stdout.on('data', (chunk) => {
    said.out += chunk
  })
  child.stderr.on('data', (chunk) => {
    said.err += chunk
  })
  const end = once(child, 'close').then(([code]) => ({ code, ...said }))
  return { child, end, says: (words: string) => untilItSays(child, said, words) }
}

async function untilItSays(child: ChildProcess, said: { err: string }, words: string) {
  while (!said.err.includes(words)) {
    if (child.exitCode !== null) throw new Error(`ended without saying "${words}": ${said.err}`)
    if (child.stderr) await once(child.stderr, 'data')
  }
}

/** Where the pretended compiler waits. `reached` gives its connection: write to it to let it go on, destroy it to fail it. */
async function aGate(t: Test) {
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'tenantry-gate-'))
  const address = path.join(folder, 'gate')
  const server = net.createServer().listen(address)
  t.teardown(() => {
    server.close()
    fs.rmSync(folder, { recursive: true, force: true })
  })
  const reached = once(server, 'connection').then(([socket]) => socket as net.Socket)
  await once(server, 'listening')
  return { address, reached }
}

t.test('builds at the first start, and not at the second', async (t) => {
  const checkout = aCheckout(t)
  t.match(await checkout.start('serve', '--flag').end, { code: 0, out: 'started serve --flag\n', err: /building/ })
  t.match(await checkout.start('serve').end, { code: 0, out: 'started serve\n', err: '' })
  t.strictSame(checkout.builds(), ['--build --force'])
  t.equal(fs.readFileSync(checkout.file('dist/docs/reference.js'), 'utf8'), '// reference')
  t.notOk(fs.existsSync(checkout.file('build.lock')), 'no lock is left')
})

t.test('builds again when an input changed, appeared or went', async (t) => {
  const checkout = aCheckout(t)
  await checkout.start().end
  for (const change of [
    () => checkout.write('openapi.yaml', 'openapi: 3.1.0'),
    () => checkout.write('clients/node/src/new.ts', ''),
    () => fs.rmSync(checkout.file('clients/node/src/new.ts')),
  ]) {
    const before = checkout.builds().length
    change()
    t.equal((await checkout.start().end).code, 0)
    t.equal(checkout.builds().length, before + 1)
  }
})

t.test('writes an output again that somebody deleted', async (t) => {
  const checkout = aCheckout(t)
  await checkout.start().end
  fs.rmSync(checkout.file('dist/cli'), { recursive: true })
  t.match(await checkout.start('serve').end, { code: 0, out: 'started serve\n' })
  t.equal(checkout.builds().at(-1), '--build --force')
})

t.test('a build that failed half-way does not pass as complete', async (t) => {
  const checkout = aCheckout(t)
  await checkout.start().end
  checkout.write('broken', '')
  checkout.write('src/cli/main.ts', 'changed')
  t.match(await checkout.start('serve').end, {
    code: 1,
    out: '',
    err: /The build failed \(tsc ended with exit code 2\)/,
  })
  fs.rmSync(checkout.file('broken'))
  t.match(await checkout.start('serve').end, { code: 0, out: 'started serve\n' })
  t.equal(checkout.builds().length, 3)
})

t.test('of two that start at once one builds and the other waits', async (t) => {
  const checkout = aCheckout(t)
  const gate = await aGate(t)
  const first = checkout.startAtGate(gate.address)
  const compiling = await gate.reached
  const second = checkout.start('serve')
  await second.says('waiting')
  compiling.write('go on')
  t.match(await Promise.all([first.end, second.end]), [
    { code: 0, out: 'started serve\n' },
    { code: 0, out: 'started serve\n' },
  ])
  t.equal(checkout.builds().length, 1)
})

t.test('one that died while building is succeeded at once', async (t) => {
  const checkout = aCheckout(t)
  const gate = await aGate(t)
  const first = checkout.startAtGate(gate.address)
  const compiling = await gate.reached
  const died = once(first.child, 'exit')
  first.child.kill('SIGKILL')
  await died
  compiling.destroy()
  t.ok(fs.existsSync(checkout.file('build.lock')), 'it left its lock')
  const end = await checkout.start('serve').end
  t.match(end, { code: 0, out: 'started serve\n' })
  t.notMatch(end.err, /waiting/)
  t.equal(checkout.builds().length, 2)
})

t.test('many that find a dead lock still build once', async (t) => {
  const checkout = aCheckout(t)
  const dead = spawn(process.execPath, ['--version'], { stdio: 'ignore' })
  await once(dead, 'exit')
  checkout.write('build.lock', JSON.stringify({ pid: dead.pid, host: hostname() }))
  const ends = await Promise.all([1, 2, 3, 4].map(() => checkout.start('serve').end))
  t.strictSame(
    ends.map((end) => end.code),
    [0, 0, 0, 0],
  )
  t.equal(checkout.builds().length, 1)
})

t.test('a lock that nobody touches any more is broken, whoever has its process id now', async (t) => {
  const checkout = aCheckout(t)
  checkout.write('build.lock', JSON.stringify({ pid: process.pid, host: hostname() }))
  const aMinuteAgo = new Date(Date.now() - 60_000)
  fs.utimesSync(checkout.file('build.lock'), aMinuteAgo, aMinuteAgo)
  t.match(await checkout.start('serve').end, { code: 0, out: 'started serve\n' })
})

t.test('a fresh lock of another host is respected', async (t) => {
  const checkout = aCheckout(t)
  checkout.write('build.lock', JSON.stringify({ pid: 1, host: 'elsewhere.example' }))
  const waiting = checkout.start('serve')
  await waiting.says('waiting')
  t.strictSame(checkout.builds(), [])
  fs.rmSync(checkout.file('build.lock'))
  t.match(await waiting.end, { code: 0, out: 'started serve\n' })
})

t.test('says what is missing when it cannot build', async (t) => {
  const checkout = aCheckout(t)
  fs.rmSync(checkout.file('node_modules/typescript'), { recursive: true })
  const end = await checkout.start('serve').end
  t.match(end, { code: 1, out: '' })
  t.match(end.err, /node_modules\/typescript/)
  t.match(end.err, /npm ci/)
  t.notOk(fs.existsSync(checkout.file('build.lock')), 'no lock is left')
})

t.test('needs no compiler where dist is current', async (t) => {
  const checkout = aCheckout(t)
  await checkout.start().end
  fs.rmSync(checkout.file('node_modules'), { recursive: true })
  t.match(await checkout.start('serve').end, { code: 0, out: 'started serve\n' })
})

t.test('started by npm, it is told to stop when the shell between them is gone', async (t) => {
  const checkout = aCheckout(t)
  await checkout.start().end
  const service = `
    process.once('SIGTERM', () => console.log('told to stop'))
    console.log('serving')
    const serving = setInterval(() => {}, 1000)
    process.once('SIGTERM', () => clearInterval(serving))
  `
  checkout.write('dist/cli/main.js', service)
  const shell = spawn('sh', ['-c', `"${process.execPath}" bin/tenantry.mjs serve; true`], {
    cwd: checkout.root,
    env: { PATH: process.env.PATH, npm_lifecycle_event: 'start' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = readline.createInterface({ input: shell.stdout })[Symbol.asyncIterator]()
  t.equal((await lines.next()).value, 'serving')
  shell.kill('SIGTERM')
  t.equal((await lines.next()).value, 'told to stop')
  t.equal((await lines.next()).done, true, 'and ends')
})

t.test('an installed package runs what it shipped', async (t) => {
  const checkout = aCheckout(t)
  await checkout.start().end
  for (const absent of ['src', 'clients', 'node_modules', 'bin/build.mjs', 'dist/.build-stamp']) {
    fs.rmSync(checkout.file(absent), { recursive: true })
  }
  t.match(await checkout.start('--version').end, { code: 0, out: 'started --version\n', err: '' })
  t.equal(checkout.builds().length, 1)
})
