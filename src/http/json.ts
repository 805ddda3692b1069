// How bodies are parsed. JSON only: Fastify's text/plain parser would let an unvalidated string through.
import type { FastifyInstance } from 'fastify'

/** An empty JSON body counts as none: clients send the content type with operations that need no body. */
export const acceptEmptyJson = (app: FastifyInstance): void => {
  const parse = app.getDefaultJsonParser('error', 'error') // refuses __proto__ and constructor.prototype
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body: string, done) => {
    if (body === '') done(null, undefined)
    else parse(request, body, done)
  })
}
