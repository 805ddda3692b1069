// What following revocations does to the process that it happens in. Needs the build, as `npm test` does.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { FeedServer } from './support/feed-server.ts'
import { AUDIENCE, aKey } from './support/tokens.ts'

const run = promisify(execFile)
const key = aKey()
const entry = new URL('../dist/index.js', import.meta.url).href

/** Runs a module that has `createVerifier` and `options`, without killing it: it has to end by itself. */
async function runScript(t: Test, server: FeedServer, script: string): Promise<string[]> {
  const options = { issuer: server.url, audience: AUDIENCE }
  const preamble = `import { createVerifier } from ${JSON.stringify(entry)}; const options = ${JSON.stringify(options)};`
  const child = run(process.execPath, ['--input-type=module', '-e', preamble + script], { env: {} })
  t.teardown(() => child.child.kill())
  const { stdout, stderr } = await child
  t.equal(stderr, '')
  return stdout.trim().split('\n')
}

t.test('a process that forgets to close its verifier ends all the same, in the middle of the stream', async (t) => {
  const server = await new FeedServer(key).start(t)
  const script = `
    const verifier = createVerifier({ ...options, revocations: { api_key: 'k' } })
    await verifier.ready()
    process.on('exit', () => console.log('ended', verifier.staleness_seconds < 9))`
  t.same(await runScript(t, server, script), ['ended true'])
  t.equal(server.count('/revocations/stream'), 1)
})

t.test('a process whose token waits for the feed hears what became of it', async (t) => {
  const server = await new FeedServer(key).start(t)
  const { url } = server
  await server.stop()
  const script = `
    const verifier = createVerifier({ ...options, revocations: { api_key: 'k' } })
    await verifier.ready().catch((error) => console.log(error.code))`
  t.equal(url, server.url)
  t.same(await runScript(t, server, script), ['revocations_unavailable'])
  await server.listen()
})

t.test('what on_fault throws is the process to know, and does not stop the following', async (t) => {
  const server = await new FeedServer(key).start(t)
  server.answerStream = (_request, response) => void response.writeHead(404).end()
  const script = `
    process.on('uncaughtException', (error) => console.log(error.message))
    const on_fault = () => { throw new Error('in the callback') }
    const timer = (delay_ms, work, kind) => { const t = setTimeout(work, kind === 'awaited' ? delay_ms : delay_ms / 100); return () => clearTimeout(t) }
    const verifier = createVerifier({ ...options, revocations: { api_key: 'k', on_fault, timer } })
    await verifier.ready()
    setTimeout(() => verifier.close(), 500)`
  const told = await runScript(t, server, script)
  t.ok(told.length >= 2, `${told.length} faults were told`)
  t.same(new Set(told), new Set(['in the callback']))
})
