// A real PgBouncer in transaction mode in front of a PostgreSQL server: in a temporary directory, on a free port, gone afterwards.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import readline from 'node:readline'
import type { Test } from 'tap'

const PLACES = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/usr/local/bin/pgbouncer', '/opt/homebrew/bin/pgbouncer']

export const findPgbouncer = (): string | undefined => PLACES.find((place) => fs.existsSync(place))

const freePort = async (): Promise<number> => {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** It does not run as root either. */
const someoneElse = (): { uid: number; gid: number } | undefined => {
  if (process.getuid?.() !== 0) return undefined
  const idOf = (flag: string): number => Number(spawnSync('id', [flag, 'nobody'], { encoding: 'utf8' }).stdout)
  return { uid: idOf('-u'), gid: idOf('-g') }
}

/** The same database through a pooler that shares this many connections among all. */
export const throughPgbouncer = async (t: Test, url: string, connections: number): Promise<string> => {
  const place = new URL(url)
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'tenantry-pgbouncer-'))
  const port = await freePort()
  const settings = {
    ...{ listen_addr: '127.0.0.1', listen_port: port, unix_socket_dir: '', pool_mode: 'transaction' },
    ...{ default_pool_size: connections, max_client_conn: 500, auth_type: 'plain', auth_file: `${folder}/users` },
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`)
  fs.writeFileSync(`${folder}/users`, `"${place.username}" "${decodeURIComponent(place.password)}"\n`)
  fs.writeFileSync(
    `${folder}/pgbouncer.ini`,
    `[databases]\n* = host=${place.hostname} port=${place.port}\n[pgbouncer]\n${lines.join('\n')}\n`,
  )
  const user = someoneElse()
  if (user) for (const file of ['', '/users', '/pgbouncer.ini']) fs.chownSync(folder + file, user.uid, user.gid)
  const child = spawn(findPgbouncer() ?? 'pgbouncer', [`${folder}/pgbouncer.ini`], {
    ...{ stdio: ['ignore', 'ignore', 'pipe'] as const, ...user },
  })
  t.teardown(async () => {
    child.kill('SIGKILL')
    fs.rmSync(folder, { recursive: true, force: true })
  })
  await isUp(child)
  return Object.assign(place, { hostname: '127.0.0.1', port }).href
}

const isUp = (child: ChildProcess): Promise<void> =>
  new Promise((resolve, reject) => {
    const said: string[] = []
    child.once('error', reject).once('exit', () => reject(new Error(said.join('\n'))))
    if (!child.stderr) throw new Error('its standard error is a pipe')
    readline.createInterface({ input: child.stderr }).on('line', (line) => {
      said.push(line)
      if (line.includes('process up')) resolve()
    })
  })
