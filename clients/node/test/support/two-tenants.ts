// What the tests of every adapter share: two callers of two tenants, and the refusals that all adapters owe them.

import type { Test } from 'tap'
import { createVerifier } from '../../src/index.ts'
import { FeedServer } from './feed-server.ts'
import { ManualTime, until } from './manual-time.ts'
import { AUDIENCE, aKey, aToken, ISSUER, NOW, NOW_SECONDS, OTHER_TENANT_ID, TENANT_ID } from './tokens.ts'

const key = aKey()

export const options = {
  issuer: ISSUER,
  audience: AUDIENCE,
  clock: () => NOW,
  keys: (kid: string) => (kid === key.kid ? key.jwk : undefined),
}

export const bearer = (payload: object = {}) => ({ authorization: `Bearer ${aToken(key, { payload })}` })
export const ofOtherTenant = bearer({ tenant_id: OTHER_TENANT_ID, sub: 'bob' })
export const ofOwner = bearer({ roles: ['owner'], grants: [{ permissions: ['*'], excludes: [] }] })

export type Answer = { status: number; headers: Headers; body: string }

/** Asks an application for a path, however it is run. */
export type Ask = (path: string, headers?: Record<string, string>, body?: string) => Promise<Answer>

/**
 * The application under test has `/me` (the user's id), `/tenants/:tenant_id/invoices` behind `requireTenant()` and
 * `requirePermission('invoice:read')`, `/admin` behind `requireRole('admin')`, and `/throws`, whose handler demands
 * `billing:read`.
 */
export async function owesRefusals(t: Test, ask: Ask): Promise<void> {
  const expired = bearer({ exp: NOW_SECONDS })
  const cases: [path: string, headers: Record<string, string>, status: number, challenge: string, problem: object][] = [
    ['/me', {}, 401, 'Bearer', { code: 'invalid_token', reason: 'missing', title: 'Unauthorized' }],
    ['/me', { authorization: 'Basic YTpi' }, 401, 'Bearer', { reason: 'missing' }],
    ['/me', expired, 401, 'Bearer error="invalid_token"', { code: 'invalid_token', reason: 'expired' }],
    ['/me', { authorization: 'Bearer ' }, 401, 'Bearer', {}],
    [
      `/tenants/${TENANT_ID}/invoices`,
      ofOtherTenant,
      403,
      'Bearer error="insufficient_scope"',
      { code: 'tenant_mismatch' },
    ],
    ['/admin', bearer(), 403, 'Bearer error="insufficient_scope"', { code: 'role_missing', detail: /"admin"/ }],
    [
      '/throws',
      bearer(),
      403,
      'Bearer error="insufficient_scope"',
      { code: 'permission_missing', detail: /billing:read/ },
    ],
  ]
  for (const [path, headers, status, challenge, problem] of cases) {
    const answer = await ask(path, headers)
    t.equal(answer.status, status, `${path} ${challenge}`)
    t.equal(answer.headers.get('content-type'), 'application/problem+json')
    t.ok(answer.headers.get('www-authenticate')?.startsWith(challenge), challenge)
    t.match(JSON.parse(answer.body), { type: 'about:blank', status, ...problem })
    t.equal(answer.headers.get('retry-after'), null)
  }
  const good: [path: string, headers: Record<string, string>, body: string][] = [
    ['/me', bearer(), 'alice'],
    ['/me', { authorization: bearer().authorization.replace('Bearer', 'bEARER') }, 'alice'],
    [`/tenants/${TENANT_ID}/invoices`, bearer(), 'ok'],
    [`/tenants/${OTHER_TENANT_ID}/invoices`, ofOtherTenant, 'ok'],
    ['/admin', ofOwner, 'ok'],
    ['/throws', ofOwner, 'ok'],
  ]
  for (const [path, headers, body] of good) t.match(await ask(path, headers), { status: 200, body }, path)
}

/** Forty requests of two tenants, at once; `path` answers the tenant that its work was done for, at every step. */
export async function keepsTenantsApart(t: Test, ask: Ask, path: string): Promise<void> {
  const asked = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? TENANT_ID : OTHER_TENANT_ID))
  const answers = await Promise.all(
    asked.map((tenant_id, i) => ask(path, { ...bearer({ tenant_id }), 'x-request': `${i}` }, '{"a":1}')),
  )
  const seen = answers.map(({ body }) => [...new Set(JSON.parse(body) as string[])])
  t.same(
    seen,
    asked.map((tenant_id) => [tenant_id]),
  )
}

const waiting = new Map<string, () => void>()

/** A body whose second half is sent when the request was let in: it arrives on the socket, in no context at all. */
export function bodyInHalves(id: string): ReadableStream<Uint8Array> {
  const isLetIn = new Promise<void>((resolve) => waiting.set(id, resolve))
  return new ReadableStream({
    async start(controller) {
      controller.enqueue(Buffer.from('{"a"'))
      await isLetIn
      controller.enqueue(Buffer.from(':1}'))
      controller.close()
    },
  })
}

export function letIn(id: unknown): void {
  waiting.get(String(id))?.()
}

/** A verifier whose feed was current 31 seconds ago, and is away since. */
export async function aStaleVerifier(t: Test) {
  const server = await new FeedServer(key).start(t)
  const time = new ManualTime()
  const verifier = createVerifier({
    ...{ issuer: server.url, audience: AUDIENCE, clock: time.clock },
    revocations: { api_key: 'k', timer: time.timer },
  })
  t.teardown(() => verifier.close())
  await verifier.ready()
  const headers = bearer({ iss: server.url })
  await verifier.verify(headers.authorization.slice('Bearer '.length))
  await until(() => server.streams.size === 1)
  await server.stop()
  time.advance(31)
  return { verifier, headers }
}
