// A way to the database that can fall silent, as a host does that lost its power: nothing is refused, nothing answers.
import { once } from 'node:events'
import net from 'node:net'
import type { Test } from 'tap'

export interface SilentProxy {
  url: string
  fallSilent(): void
  recover(): void
}

export const aSilentProxy = async (t: Test, url: string): Promise<SilentProxy> => {
  const target = new URL(url)
  const sockets = new Set<net.Socket>()
  let silent = false
  const forward = (from: net.Socket, to: net.Socket) => {
    sockets.add(from)
    from.on('data', (chunk) => silent || to.write(chunk))
    from.on('error', () => to.destroy())
    from.on('close', () => to.destroy())
  }
  const server = net.createServer((client) => {
    const behind = net.connect(Number(target.port), target.hostname)
    forward(client, behind)
    forward(behind, client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const drop = () => {
    for (const socket of sockets) socket.destroy()
    sockets.clear()
  }
  t.teardown(() => {
    drop()
    server.close()
  })
  const through = new URL(url)
  through.port = String((server.address() as net.AddressInfo).port)
  return {
    url: through.href,
    fallSilent: () => {
      silent = true
    },
    recover: () => {
      silent = false
      drop() // what came meanwhile was lost, so none of these streams can go on
    },
  }
}
