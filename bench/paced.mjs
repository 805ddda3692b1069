// Requests at a steady rate, each at its own time, whether or not those before are answered; the time of each runs from when it was
// due. autocannon sends what is due in a second all at once, and so measures its own bursts.
import { once } from 'node:events'
import net from 'node:net'
import { quantilesOf } from './table.mjs'

const HEAD_END = '\r\n\r\n'

const requestOf = ({ host, pathname }, credential, body) =>
  `POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${credential}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}${HEAD_END}${body}`

/** Whether a whole answer is there; our answers and the bare route's say how long they are. */
const isWhole = (text) => {
  const head = text.indexOf(HEAD_END)
  if (head === -1) return false
  const length = /content-length: (\d+)/i.exec(text)?.[1]
  return text.length >= head + HEAD_END.length + Number(length)
}

/** A connection that asks one thing after the other. */
const connect = async (host, port, noteAnswer) => {
  const socket = net.connect({ host, port, noDelay: true })
  await once(socket, 'connect')
  const waiting = { socket, due_at: 0, text: '' }
  socket.setEncoding('latin1').on('data', (piece) => {
    waiting.text += piece
    if (!isWhole(waiting.text)) return
    if (!waiting.text.startsWith('HTTP/1.1 200')) throw new Error(waiting.text)
    waiting.text = ''
    noteAnswer(waiting)
  })
  return waiting
}

/** What half and 99 of a hundred of them do not exceed, and the most, in milliseconds. */
export const paced = async ({ url, credential, bodies, rate, seconds, connections = 64 }) => {
  const address = new URL(url)
  const requests = bodies.map((body) => requestOf(address, credential, JSON.stringify(body)))
  const [count, took, free, late] = [rate * seconds, [], [], []]
  let next = 0
  let answered = () => {}
  const send = (connection, due_at) => {
    connection.due_at = due_at
    connection.socket.write(requests[next++ % requests.length])
  }
  const noteAnswer = (connection) => {
    took.push(performance.now() - connection.due_at)
    if (took.length === count) answered()
    const due_at = late.shift()
    if (due_at === undefined) free.push(connection)
    else send(connection, due_at)
  }
  const all = []
  while (all.length < connections) all.push(await connect(address.hostname, address.port, noteAnswer))
  free.push(...all)
  const done = new Promise((resolve) => {
    answered = resolve
  })
  const began = performance.now()
  let sent = 0
  const sendDue = () => {
    const due = Math.min(count, Math.floor(((performance.now() - began) / 1000) * rate))
    for (; sent < due; sent++) {
      const due_at = began + (sent / rate) * 1000
      const connection = free.pop()
      if (connection === undefined) late.push(due_at)
      else send(connection, due_at)
    }
    if (sent < count) setImmediate(sendDue)
  }
  sendDue()
  await done
  for (const { socket } of all) socket.destroy()
  return quantilesOf(took)
}
