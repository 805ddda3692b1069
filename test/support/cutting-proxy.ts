// A way to a service that breaks in the middle of whatever is being said.
import { once } from 'node:events'
import net from 'node:net'
import type { Test } from 'tap'

export interface CuttingProxy {
  url: string
  /** How many connections were cut. */
  cuts: number
  /** The connections that are open carry so many bytes more to the client, and then they are cut. New ones last. */
  cutAfter(bytes: number): void
}

export const aCuttingProxy = async (t: Test, target: string): Promise<CuttingProxy> => {
  const { hostname, port } = new URL(target)
  const open = new Map<net.Socket, number>()
  const server = net.createServer((client) => {
    const behind = net.connect(Number(port), hostname)
    open.set(client, Number.POSITIVE_INFINITY)
    client.pipe(behind)
    behind.on('data', (chunk) => {
      const left = open.get(client) ?? 0
      open.set(client, left - chunk.length)
      if (chunk.length <= left) return void client.write(chunk)
      proxy.cuts++
      client.end(chunk.subarray(0, left))
      behind.destroy()
    })
    client.on('error', () => behind.destroy())
    behind.on('error', () => client.destroy())
    client.on('close', () => {
      behind.destroy()
      open.delete(client)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const client of open.keys()) client.destroy()
    server.close()
  })
  const cutAfter = (bytes: number): void => {
    for (const client of open.keys()) open.set(client, bytes)
  }
  const address = server.address() as net.AddressInfo
  const proxy: CuttingProxy = { url: `http://127.0.0.1:${address.port}`, cuts: 0, cutAfter }
  return proxy
}
