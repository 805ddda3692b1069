// The metrics as text: for a platform credential on the main port, and for anybody on a port of their own (METRICS_PORT).
import { createServer, type Server } from 'node:http'
import { Registry } from 'prom-client'
import type { Handlers } from '../http/handlers.ts'
import { counted, watchProcess } from './instruments.ts'

export type ReadMetrics = () => Promise<string>

export const metricsWith = (gauges: Registry): ReadMetrics => {
  watchProcess()
  const all = Registry.merge([counted, gauges])
  return () => all.metrics()
}

export const metricsHandlers = (read: ReadMetrics): Pick<Handlers, 'getMetrics'> => ({
  getMetrics: async () => ({ status: 200, body: await read(), headers: { 'Cache-Control': 'no-store' } }),
})

/** For Prometheus in a private network: it answers nothing but /metrics, and asks for no credential. */
export const metricsServer = (read: ReadMetrics): Server =>
  createServer((request, response) => {
    if (request.url !== '/metrics' || !['GET', 'HEAD'].includes(request.method ?? ''))
      return void response.writeHead(404).end()
    read().then(
      (text) => response.writeHead(200, { 'Content-Type': Registry.PROMETHEUS_CONTENT_TYPE }).end(text),
      () => response.writeHead(500).end(),
    )
  })
