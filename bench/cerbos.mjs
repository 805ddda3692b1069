// The Cerbos PDP, with one policy that answers the same AuthZEN request by the roles that the request brings along: it keeps
// no memberships. Undefined where its package has no binary for this machine.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CORES } from './processes.mjs'

const POLICY = {
  apiVersion: 'api.cerbos.dev/v1',
  resourcePolicy: {
    ...{ resource: 'invoice', version: 'default' },
    rules: [{ actions: ['read'], effect: 'EFFECT_ALLOW', roles: ['member'] }],
  },
}

/** What its AuthZEN endpoint takes for the roles. */
export const withRoles = ({ subject, ...rest }) => ({
  subject: { ...subject, properties: { 'cerbos.roles': ['member'] } },
  ...rest,
})

const binary = () => {
  try {
    return createRequire(import.meta.url).resolve('@cerbos/cerbos-linux-x64/cerbos-linux-x64')
  } catch {
    return undefined
  }
}

const freePort = async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

export const startCerbos = async () => {
  const program = binary()
  if (program === undefined) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-bench-cerbos-'))
  const [http, grpc] = [await freePort(), await freePort()]
  const settings = {
    server: { httpListenAddr: `127.0.0.1:${http}`, grpcListenAddr: `127.0.0.1:${grpc}` },
    storage: { driver: 'disk', disk: { directory: join(folder, 'policies'), watchForChanges: false } },
    ...{ telemetry: { disabled: true }, audit: { enabled: false } },
  }
  mkdirSync(join(folder, 'policies'))
  writeFileSync(join(folder, 'policies', 'invoice.yaml'), JSON.stringify(POLICY)) // JSON is YAML
  writeFileSync(join(folder, 'settings.yaml'), JSON.stringify(settings))
  const command = [program, 'server', '--config', join(folder, 'settings.yaml'), '--log-level', 'error']
  const [file, ...args] = CORES ? ['taskset', '--cpu-list', CORES.measured, ...command] : command
  const child = spawn(file, args, { stdio: 'ignore' })
  process.once('exit', () => child.kill())
  const address = `http://127.0.0.1:${http}`
  await answers(`${address}/_cerbos/health`)
  const stop = async () => {
    child.kill()
    await once(child, 'exit')
    rmSync(folder, { recursive: true })
  }
  return { child, address, stop }
}

const answers = async (url) => {
  for (let attempt = 0; attempt < 100; attempt++) {
    const response = await fetch(url).catch(() => undefined)
    if (response?.ok) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`${url} does not answer`)
}
