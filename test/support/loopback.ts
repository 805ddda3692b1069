// A server on loopback whose address is known before what it serves is made: the name of an issuer is its address.
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { aService, type Options, type TestService } from './service.ts'

export interface Loopback {
  url: string
  serve(listener: http.RequestListener): void
}

export const aLoopback = async (t: Test): Promise<Loopback> => {
  const server = http.createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.closeAllConnections())
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, serve: (listener) => void server.on('request', listener) }
}

/** A service for those who speak HTTP: its issuer is where it is, and the time is theirs. */
export const aServedService = async (t: Test, options: Omit<Options, 'issuer' | 'live'> = {}): Promise<TestService> => {
  const { url, serve } = await aLoopback(t)
  const s = await aService(t, { ...options, issuer: url, live: true })
  const { fastify } = s.service.app
  await fastify.ready()
  serve(fastify.routing)
  return s
}
