// What is asked of a deployment from outside, and from inside its container: `tenantry smoke` and the health check.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { prepareDirectory } from '../support/databases.ts'
import { aDirectory, run, serve } from './command.ts'

const HEALTHCHECK = fileURLToPath(new URL('../../dist/healthcheck.js', import.meta.url))

const data_dir = aDirectory(t)
await prepareDirectory(data_dir)
const service = await serve(t, { TENANTRY_DATA_DIR: data_dir })

const listening = async (t: Test, listener: RequestListener): Promise<string> => {
  const server = createServer(listener).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Something between the service and whoever asks, which changes what one path answers. */
const inFront = (t: Test, path: string, change: (text: string) => string): Promise<string> =>
  listening(t, async (request, response) => {
    const answer = await fetch(`${service.url}${request.url}`)
    const text = await answer.text()
    response.writeHead(answer.status).end(request.url === path ? change(text) : text)
  })

const healthcheck = async (env: Record<string, string>): Promise<number | null> => {
  const child = spawn(process.execPath, [HEALTHCHECK], { env })
  const [code] = await once(child, 'exit')
  return code
}

t.test('a deployment that answers as Tenantry does passes, without any key', async (t) => {
  t.match(await run(['smoke', '--url', service.url], {}), {
    code: 0,
    out: /^ok {4}readiness: status ok\nok {4}signing keys: 1 published\nok {4}discovery: .*\nok {4}clock: .*\nok {4}strangers: refused: credential.missing\n$/,
  })
  t.match(JSON.parse((await run(['smoke', '--json'], { TENANTRY_URL: service.url })).out), { ok: true })
})

t.test('what stands in between and changes an answer is found out', async (t) => {
  const openid = '/.well-known/openid-configuration'
  const renamed = await inFront(t, openid, (text) => text.replaceAll(service.url, 'http://elsewhere'))
  t.match(await run(['smoke', '--url', renamed], {}), {
    code: 1,
    out: /FAIL {2}discovery: the documents disagree on the issuer/,
  })
  const emptied = await inFront(t, '/.well-known/jwks.json', () => '{"keys": []}')
  t.match(await run(['smoke', '--url', emptied], {}), { code: 1, out: /FAIL {2}signing keys: the key set is empty/ })
  const moved = await inFront(t, '/.well-known/oauth-authorization-server', (text) =>
    text.replace(/"jwks_uri":"[^"]*"/, '"jwks_uri":"http://elsewhere/keys"'),
  )
  t.match(await run(['smoke', '--url', moved], {}), { code: 1, out: /FAIL {2}discovery: jwks_uri is/ })
})

t.test('a deployment whose clock is wrong is found out', async (t) => {
  const late = await listening(t, async (request, response) => {
    const answer = await fetch(`${service.url}${request.url}`)
    const hour_ago = new Date(Date.now() - 3_600_000).toUTCString()
    response.writeHead(answer.status, { date: hour_ago }).end(await answer.text())
  })
  t.match(await run(['smoke', '--url', late], {}), { code: 1, out: /FAIL {2}clock: 3\d{3} s away/ })
})

t.test('the doctor asks a deployment, and looks inside only where it is told of the database', async (t) => {
  t.match(await run(['doctor', '--url', service.url], {}), { code: 0, out: /^ok {4}readiness(?![\s\S]*settings)/ })
  t.match(await run(['doctor', '--url', service.url], { DATABASE_URL: 'postgres://nobody@127.0.0.1:9/x' }), {
    ...{ code: 1, out: /FAIL {2}settings[\s\S]*FAIL {2}database[\s\S]*ok {4}readiness/ },
  })
  t.match(await run(['doctor', '--url', 'http://127.0.0.1:9'], {}), { code: 1, out: /^(FAIL .*\n){5}$/ })
})

t.test('what is not Tenantry, or not there, fails every check', async (t) => {
  const stranger = await listening(t, (_request, response) => response.end('hello'))
  t.match(await run(['smoke', '--url', stranger], {}), { code: 1, out: /^(FAIL .*\n){5}$/ })
  t.match(await run(['smoke', '--url', 'http://127.0.0.1:9'], {}), { code: 1, out: /^(FAIL .*\n){5}$/ })
  t.match(await run(['smoke', '--url', 'elsewhere'], {}), { code: 2, err: /--url must be a URL/ })
})

t.test('the health check finds the service where its settings say that it listens', async (t) => {
  const PORT = new URL(service.url).port
  t.equal(await healthcheck({ PORT }), 0)
  t.equal(await healthcheck({ PORT, HOST: '0.0.0.0' }), 0, 'every address is this one, too')
  t.equal(await healthcheck({ PORT: '9' }), 1, 'nothing listens there')
  const ill = new URL(await listening(t, (_request, response) => response.writeHead(500).end()))
  t.equal(await healthcheck({ PORT: ill.port }), 1)
})
