// Clients that speak HTTP badly, too slowly, or not at all: sockets, without a library that would know better.
import { once } from 'node:events'
import net from 'node:net'

export interface RawClient {
  socket: net.Socket
  /** All that was answered until now. */
  heard(): string
  /** When the other side has let go of the connection altogether, with all that was answered. */
  gone: Promise<string>
}

/** Never closes its own side first, as long as the other might go on. */
export const connect = async (address: string): Promise<RawClient> => {
  const { hostname, port } = new URL(address)
  const socket = net.connect({ port: Number(port), host: hostname, allowHalfOpen: true })
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
  })
  socket.on('error', () => {}) // reset, mostly; what was heard before tells
  const gone = new Promise<string>((resolve) => socket.on('close', () => resolve(text)))
  await once(socket, 'connect')
  return { socket, heard: () => text, gone }
}

/** When its answer has been heard as far as this. */
export const hears = async ({ socket, heard, gone }: RawClient, pattern: RegExp): Promise<void> => {
  while (!pattern.test(heard())) await Promise.race([once(socket, 'data'), gone.then(fail(heard))])
}

const fail = (heard: () => string) => (): never => {
  throw new Error(`it was closed, having said: ${heard()}`)
}

/** Until the other side ends what it says, whether or not it lets go. */
export const answered = async ({ socket, heard, gone }: RawClient): Promise<string> => {
  if (!socket.readableEnded && !socket.closed) await Promise.race([once(socket, 'end').catch(() => {}), gone])
  return heard()
}
