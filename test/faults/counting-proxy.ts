// A way to the database that counts what the service says to it: nothing said is no work made.
import { once } from 'node:events'
import net from 'node:net'
import type { Test } from 'tap'

export interface CountingProxy {
  url: string
  /** How often the service has said something. */
  said: number
}

export const aCountingProxy = async (t: Test, url: string): Promise<CountingProxy> => {
  const target = new URL(url)
  const sockets = new Set<net.Socket>()
  const server = net.createServer((client) => {
    const behind = net.connect(Number(target.port), target.hostname)
    client.on('data', () => proxy.said++)
    client.pipe(behind).pipe(client)
    for (const socket of [client, behind]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => sockets.delete(socket))
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const through = new URL(url)
  through.port = String((server.address() as net.AddressInfo).port)
  const proxy: CountingProxy = { url: through.href, said: 0 }
  return proxy
}
