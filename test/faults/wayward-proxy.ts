// A way to the database that goes wrong as networks do: it delays, falls silent, closes one half of a connection, or drops all.
import { once } from 'node:events'
import net from 'node:net'
import type { Test } from 'tap'

export type Way = 'passes' | 'delays' | 'is silent' | 'refuses'

export interface WaywardProxy {
  url: string
  /** From now on, for old connections and new ones. */
  becomes(way: Way): void
  /** Ends, towards the service, its half of every connection that is open, and goes on listening to what the service says. */
  halfClose(): void
  drop(): void
}

const DELAY_MS = 50 // each way

export const aWaywardProxy = async (t: Test, url: string): Promise<WaywardProxy> => {
  const target = new URL(url)
  const clients = new Set<net.Socket>()
  let way: Way = 'passes'
  const forward = (from: net.Socket, to: net.Socket): void => {
    from.on('data', (chunk) => {
      if (way === 'is silent') return
      if (way === 'delays') setTimeout(() => to.writable && to.write(chunk), DELAY_MS)
      else if (to.writable) to.write(chunk)
    })
    from.on('error', () => to.destroy())
    from.on('close', () => to.destroy())
  }
  const server = net.createServer({ allowHalfOpen: true }, (client) => {
    if (way === 'refuses') return void client.destroy()
    const behind = net.connect(Number(target.port), target.hostname)
    clients.add(client)
    client.on('close', () => clients.delete(client))
    client.on('end', () => behind.end())
    forward(client, behind)
    forward(behind, client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const drop = () => {
    for (const client of clients) client.destroy()
  }
  t.teardown(() => {
    drop()
    server.close()
  })
  const through = new URL(url)
  through.port = String((server.address() as net.AddressInfo).port)
  return {
    url: through.href,
    becomes: (next) => {
      if (way === 'is silent') drop() // what came meanwhile was lost, so none of these streams can go on
      way = next
    },
    halfClose: () => {
      for (const client of clients) client.end()
    },
    drop,
  }
}
