// A crowd that follows revocations: connections that are held open, read and thrown away, as many as a large deployment has
// verifiers. They are plain requests: a verifier's own work would be measured as well, and happens on other machines.
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { answerWith } from './processes.mjs'

const AT_ONCE = 25
const { feeds, streams } = JSON.parse(process.argv[2])
const agent = new Agent({ maxSockets: streams })
const alive = new Set()

const follow = async (number) => {
  const { api_key, stream_url } = feeds[number % feeds.length]
  const asked = request(stream_url, { headers: { authorization: `Bearer ${api_key}` }, agent })
  asked.end()
  const [answer] = await once(asked, 'response')
  if (answer.statusCode !== 200) throw new Error(`a stream was answered ${answer.statusCode}`)
  alive.add(answer)
  answer.resume()
  answer.once('close', () => alive.delete(answer))
  answer.on('error', () => {}) // then it is closed, and missing from the count
}

for (let number = 0; number < streams; number += AT_ONCE) {
  const some = Math.min(AT_ONCE, streams - number)
  await Promise.all(Array.from({ length: some }, (_, index) => follow(number + index)))
}
answerWith('all follow', () => alive.size)
