// The container's health check: does the service in this container still answer? A program of its own, which loads nothing
// of the service, because it starts every few seconds. It asks /livez: the process, never the database. A database that
// blinks is no reason to stop a container whose other answers still hold.
import { get } from 'node:http'

const ANSWER_WITHIN_MS = 2_500 // under the image's own limit of 3 s

/** What the service listens on, seen from beside it. */
const addressOf = ({ HOST, PORT }: NodeJS.ProcessEnv): { host: string; port: string } => {
  const host = HOST?.trim() || '127.0.0.1'
  return { host: { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host, port: PORT?.trim() || '3000' }
}

const fail = (reason: string): void => {
  process.stderr.write(`${reason}\n`)
  process.exitCode = 1
}

const { host, port } = addressOf(process.env)
const asked = get({ host, port, path: '/livez', timeout: ANSWER_WITHIN_MS, agent: false }, (response) => {
  response.resume()
  if (response.statusCode !== 200) fail(`/livez answers ${response.statusCode}`)
})
asked.on('timeout', () => asked.destroy(new Error(`/livez did not answer within ${ANSWER_WITHIN_MS} ms`)))
asked.on('error', ({ message }) => fail(message))
