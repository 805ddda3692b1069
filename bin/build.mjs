// Builds the service and the client package into dist/, once, however many processes ask for it at the same time.
// Plain JavaScript without dependencies: it runs before anything is compiled. An installed package never gets here.
//
//   fresh?   dist/.build-stamp holds a fingerprint of every input. It is removed before the first step and written
//            after the last, so a build that was interrupted never passes as complete.
//   one?     build.lock names its holder. Others wait for it and look again. A holder that died, or that has not
//            touched the lock for a while (another container's process id means nothing here), is succeeded.

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { hostname } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'

const REPOSITORY = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

const INPUTS = [
  'src',
  'clients/node/src',
  'clients/node/package.json',
  'clients/node/tsconfig.json',
  'openapi.yaml',
  'package-lock.json',
  'tsconfig.base.json',
  'tsconfig.json',
  'bin/build.mjs',
]
const OUTPUTS = ['dist/cli/main.js', 'dist/docs/reference.js', 'dist/openapi.json', 'clients/node/dist/index.js']

const COMPILER = 'node_modules/typescript/lib/tsc.js'
const YAML = 'node_modules/yaml/dist/index.js'
// @scalar/fastify-api-reference ships its browser script in the package; /docs serves our copy, so no CDN is involved.
const REFERENCE_SCRIPT = 'node_modules/@scalar/fastify-api-reference/dist/js/standalone.js'

const TOUCH_MS = 1_000
const ABANDONED_MS = 15_000 // many missed touches: a busy machine is no dead builder
const POLL_MS = 100
const BREAKING_MS = 5_000 // breaking a lock takes microseconds; whoever is older than this died doing it

export class BuildError extends Error {}

/** Returns when dist/ matches its inputs, having built it if nobody else did. */
export async function ensureBuilt({ root = REPOSITORY } = {}) {
  if (isFresh(root)) return
  const release = await acquireLock(root)
  try {
    if (!isFresh(root)) await build(root)
  } finally {
    release()
  }
}

/** Builds from nothing: no output of a file that is gone survives. What is packed is built this way. */
export async function rebuild({ root = REPOSITORY } = {}) {
  const release = await acquireLock(root)
  try {
    for (const folder of ['dist', 'clients/node/dist'])
      fs.rmSync(path.join(root, folder), { recursive: true, force: true })
    await build(root)
  } finally {
    release()
  }
}

async function build(root) {
  requireTools(root)
  const stamp = path.join(root, 'dist/.build-stamp')
  // Taken before compiling: an input that changes meanwhile makes the result stale, not wrongly fresh.
  const inputs = fingerprint(root)
  fs.rmSync(stamp, { force: true })
  process.stderr.write('tenantry: building\n')
  // tsc goes by its own notes and would not miss an output that somebody deleted.
  const force = OUTPUTS.every((file) => exists(root, file)) ? [] : ['--force']
  await run(process.execPath, [path.join(root, COMPILER), '--build', ...force], root)
  fs.mkdirSync(path.join(root, 'dist/docs'), { recursive: true })
  fs.copyFileSync(path.join(root, REFERENCE_SCRIPT), path.join(root, 'dist/docs/reference.js'))
  await writeContract(root)
  fs.writeFileSync(`${stamp}.new`, inputs)
  fs.renameSync(`${stamp}.new`, stamp)
}

/** Parsed once, here: reading YAML takes a third of a second, and would take it of every start. */
async function writeContract(root) {
  const { parse } = (await import(pathToFileURL(path.join(root, YAML)).href)).default
  const contract = parse(fs.readFileSync(path.join(root, 'openapi.yaml'), 'utf8'))
  fs.writeFileSync(path.join(root, 'dist/openapi.json'), JSON.stringify(contract))
}

function requireTools(root) {
  const missing = [COMPILER, YAML, REFERENCE_SCRIPT].filter((file) => !exists(root, file))
  if (missing.length === 0) return
  throw new BuildError(
    [
      'Tenantry has to be built first, and what builds it is not installed. Missing:',
      ...missing.map((file) => `  ${file}`),
      'Run `npm ci` (with the development dependencies: no --omit=dev, no NODE_ENV=production), then try again.',
    ].join('\n'),
  )
}

function isFresh(root) {
  if (!OUTPUTS.every((file) => exists(root, file))) return false
  return readIfPresent(path.join(root, 'dist/.build-stamp')) === fingerprint(root)
}

/** Names, sizes and times, not contents: it runs at every start. A file that was only touched costs one quick build. */
function fingerprint(root) {
  const hash = createHash('sha256')
  for (const input of INPUTS) {
    for (const { file, size, mtimeMs } of filesUnder(root, input)) hash.update(`${file}\0${size}\0${mtimeMs}\n`)
  }
  return hash.digest('hex')
}

function filesUnder(root, relative) {
  const stat = fs.statSync(path.join(root, relative), { throwIfNoEntry: false })
  if (!stat) return []
  if (!stat.isDirectory()) return [{ file: relative, size: stat.size, mtimeMs: stat.mtimeMs }]
  const names = fs.readdirSync(path.join(root, relative)).sort()
  return names.flatMap((name) => filesUnder(root, `${relative}/${name}`))
}

function run(command, args, cwd) {
  return new Promise((resolve, reject) => {
    // The compiler's words go to stderr: stdout belongs to the command that is about to run.
    const child = spawn(command, args, { cwd, stdio: ['ignore', 2, 2] })
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      if (code === 0) resolve()
      else reject(new BuildError(`The build failed (tsc ended with ${signal ?? `exit code ${code}`}).`))
    })
  })
}

// --- the lock -------------------------------------------------------------------------------------------------------

async function acquireLock(root) {
  const file = path.join(root, 'build.lock')
  for (let waited = false; ; ) {
    const release = tryLock(file)
    if (release) return release
    if (breakIfAbandoned(file)) continue
    if (!waited) process.stderr.write('tenantry: another process is building; waiting for it\n')
    waited = true
    await delay(POLL_MS)
  }
}

function tryLock(file) {
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), since: new Date().toISOString() })
  try {
    fs.writeFileSync(file, mine, { flag: 'wx' })
  } catch (error) {
    if (error.code === 'EEXIST') return undefined
    throw error
  }
  const touching = setInterval(() => touch(file), TOUCH_MS).unref()
  return () => {
    clearInterval(touching)
    if (readIfPresent(file) === mine) fs.rmSync(file, { force: true })
  }
}

/** Removes the lock of a dead holder. True: try again at once. */
function breakIfAbandoned(file) {
  if (!isAbandoned(file)) return false
  // Two that both saw the dead holder: without this turnstile the second would remove the first one's new lock.
  const turnstile = `${file}.breaking`
  try {
    fs.mkdirSync(turnstile)
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    if (age(turnstile) > BREAKING_MS) fs.rmSync(turnstile, { recursive: true, force: true })
    return false
  }
  try {
    if (isAbandoned(file)) fs.rmSync(file, { force: true })
  } finally {
    fs.rmdirSync(turnstile)
  }
  return true
}

function isAbandoned(file) {
  const content = readIfPresent(file)
  if (content === undefined) return false
  if (age(file) > ABANDONED_MS) return true
  if (content === '') return false // created this instant and not yet signed
  const { pid, host } = JSON.parse(content)
  return host === hostname() && !isRunning(pid)
}

function isRunning(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

function touch(file) {
  const now = new Date()
  fs.utimes(file, now, now, () => {}) // gone already: then there is nothing to keep alive
}

function age(file) {
  const stat = fs.statSync(file, { throwIfNoEntry: false })
  return stat ? Date.now() - stat.mtimeMs : 0
}

function exists(root, file) {
  return fs.existsSync(path.join(root, file))
}

function readIfPresent(file) {
  try {
    return fs.readFileSync(file, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    await (process.argv.includes('--clean') ? rebuild() : ensureBuilt())
  } catch (error) {
    if (!(error instanceof BuildError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  }
}
