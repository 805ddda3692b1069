// How the server stops: what is under way is finished, and then every connection goes. Node by itself would also wait for
// connections that were opened in advance and never used, as browsers, pools and load balancers do.
import { finished } from 'node:stream'
import type { FastifyInstance } from 'fastify'

/** Counts the requests under way; the answer closes the server in order. */
export const installDraining = (app: FastifyInstance): (() => Promise<void>) => {
  let underWay = 0
  let onIdle = (): void => {}
  app.addHook('onRequest', async (_request, reply) => {
    underWay++
    // Not onResponse: Fastify does not call it when the client goes away in the middle of a stream.
    finished(reply.raw, () => {
      underWay--
      if (underWay === 0) onIdle()
    })
  })
  return async () => {
    const closed = app.close() // from here on, new requests get 503
    if (underWay > 0) await new Promise<void>((resolve) => (onIdle = resolve))
    app.server.closeAllConnections()
    await closed
  }
}
