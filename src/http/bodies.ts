// Operations that answer every method alike: what body comes with the method means nothing, and is not read.
import type { FastifyInstance } from 'fastify'

/** No body is parsed or refused in this context, whatever its type, size or form. */
export const ignoreBodies = (app: FastifyInstance): void => {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  // A type that is malformed would be refused before any parser is asked.
  app.addHook('onRequest', async ({ headers }) => void delete headers['content-type'])
}
