// Hooks of Fastify's that make no promise where there is nothing to wait for (`soon.ts`).
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Soon } from '../soon.ts'

type Done = (error?: Error) => void

export const hook =
  (work: (request: FastifyRequest, reply: FastifyReply) => Soon<void>) =>
  (request: FastifyRequest, reply: FastifyReply, done: Done): void => {
    let failure: unknown
    try {
      const waiting = work(request, reply)
      if (waiting instanceof Promise) return void waiting.then(() => done(), done)
    } catch (error) {
      failure = error
    }
    done(failure as Error | undefined) // whatever it is, the error handler says what becomes of it
  }
