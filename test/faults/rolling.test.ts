// An upgrade as everybody does it: behind a load balancer that looks at /readyz, one replica after the other is told to stop and
// started again, while callers go on as before. None of them may notice.
import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { createServer } from 'node:net'
import path from 'node:path'
import t from 'tap'
import { addressOf, aFolder, type Process, request, serve, stop } from '../operations/processes.ts'
import { aGround } from './settings.ts'

const HAPROXY = ['/usr/sbin/haproxy', '/usr/local/sbin/haproxy', '/opt/homebrew/bin/haproxy'].find(existsSync)
const skip =
  process.env.TEST_DATABASE_URL === undefined
    ? 'needs a server'
    : HAPROXY === undefined && 'needs haproxy (apt-get install haproxy)'
const CALLERS = 8

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })

/** It asks often, because a test has no minute; two periods fit into the delay of the drain. */
const configuration = (port: number, replicas: readonly string[]): string => `
  global
    nbthread 1
  defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout check 5s
    retries 3
    option redispatch
  frontend in
    bind 127.0.0.1:${port}
    default_backend tenantry
  backend tenantry
    option httpchk GET /readyz
    http-check expect status 200
    http-response set-header x-replica %s
    default-server check inter 250ms fall 1 rise 2
${replicas.map((address, index) => `    server replica${index} ${new URL(address).host}`).join('\n')}
`

t.test('both replicas are restarted under load, and no request fails', { skip }, async (t) => {
  const { root, settings } = await aGround()
  const start = (port: string): Process => serve(t, settings({ PORT: port, TENANTRY_DRAIN_DELAY_MS: '3000' }))
  const replicas = [start('0'), start('0')]
  const addresses = await Promise.all(replicas.map(addressOf))
  const port = await freePort()
  const file = path.join(aFolder(t), 'haproxy.cfg')
  writeFileSync(file, configuration(port, addresses))
  const balancer = spawn(HAPROXY ?? '', ['-db', '-f', file], { stdio: 'ignore' })
  t.teardown(() => balancer.kill('SIGKILL'))
  const made = await request(addresses[0] ?? '', root, 'POST /tenants', { name: 'Acme' })
  t.equal(made.status, 201)
  const tenant = made.body

  const agent = new http.Agent({ keepAlive: true, maxSockets: CALLERS })
  t.teardown(() => agent.destroy())
  const ask = (method: string, target: string, body?: object): Promise<number> =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${root}`, 'content-type': 'application/json' }
      http
        .request({ host: '127.0.0.1', port, method, path: target, agent, headers }, (response) => {
          response.resume().on('end', () => resolve(response.statusCode ?? 0))
        })
        .on('error', reject)
        .end(body && JSON.stringify(body))
    })
  const isUp = (): Promise<boolean> => ask('GET', '/readyz').then((status) => status === 200 || isUp(), isUp)
  await isUp()

  const answered = new Map<string, number>()
  let goingOn = true
  const caller = async (name: number): Promise<void> => {
    for (let number = 0; goingOn; number++) {
      const member = { tenant_id: tenant.id, user_id: `user_${name}_${number}` }
      const check = {
        ...{ subject: { type: 'user', id: member.user_id }, action: { name: 'read' } },
        ...{ resource: { type: 'invoice', id: '1' }, context: { tenant_id: tenant.id } },
      }
      for (const [method, target, body] of [
        ['POST', '/memberships', member],
        ['POST', '/access/v1/evaluation', check],
        ['GET', `/tenants/${tenant.id}`, undefined],
      ] as const) {
        const how = await ask(method, target, body).then(String, (error) => String(error))
        const what = `${method} ${target} ${how}`
        answered.set(what, (answered.get(what) ?? 0) + 1)
      }
    }
  }
  const callers = Array.from({ length: CALLERS }, (_, name) => caller(name))
  /** Until the load balancer sends it requests again: before that, the other one is the only one there is. */
  const isBack = async (index: number): Promise<void> => {
    const { headers } = await fetch(`http://127.0.0.1:${port}/livez`)
    if (headers.get('x-replica') !== `replica${index}`) await isBack(index)
  }
  for (const [index, replica] of replicas.entries()) {
    const address = addresses[index] ?? ''
    t.match(await stop(replica), { code: 0, signal: null })
    await addressOf(start(new URL(address).port))
    await isBack(index)
  }
  goingOn = false
  await Promise.all(callers)
  const wrong = [...answered].filter(([what]) => !/ 20[01]$/.test(what))
  t.same(wrong, [])
  t.ok(answered.size > 0, [...answered].map(([what, count]) => `${count} × ${what}`).join(', '))
})
