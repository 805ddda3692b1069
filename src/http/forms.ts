// How form-encoded bodies are parsed, as OAuth has it (RFC 6749 §3.2): each parameter once, and one without a value as if it
// were not there.
import type { FastifyInstance } from 'fastify'
import { Problem } from '../errors.ts'

const parse = (text: string): Record<string, string> => {
  const form = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(text)) {
    if (form.has(name)) throw new Problem('request.invalid', { detail: `The parameter ${name} is there twice.` })
    form.set(name, value)
  }
  return Object.fromEntries([...form].filter(([, value]) => value !== ''))
}

/** Forms in place of anything else, in this context. */
export const acceptForms = (app: FastifyInstance): void => {
  app.removeAllContentTypeParsers()
  const parseForm = async (_request: unknown, body: string) => parse(body)
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, parseForm)
}
