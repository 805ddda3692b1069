// test/cases/patterns.yaml, three ways each: the pure decision, the check endpoint (as roles of a member, and as an API key),
// and the tokens of both through the offline verifier.
import { readFileSync } from 'node:fs'
import { createVerifier, type Decision, decide, type Facts } from '@tenantry/client'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { aService, made } from '../support/service.ts'

interface Case {
  name: string
  grants: { permissions: string[]; excludes?: string[] }[]
  asks: { [permission: string]: string }
}
type Grants = { permissions: string[]; excludes: string[] }[]

const cases: Case[] = parse(readFileSync(new URL('../cases/patterns.yaml', import.meta.url), 'utf8'))
const s = await aService(t)
const AUDIENCE = 'https://api.acme.example'
const verifier = createVerifier({
  ...{ issuer: s.issuer, audience: AUDIENCE, clock: () => s.now },
  keys: async (kid) =>
    (await s.stranger.get('/.well-known/jwks.json')).body.keys.find((key: { kid: string }) => key.kid === kid),
})
const { id: tenant_id } = await s.aTenant({ owner: { user_id: 'user_olga' } })

const answerOf = (expected: string, code: 'role_grants' | 'key_grants'): unknown => {
  if (expected === 'malformed') return { decision: false, reason: { code: 'permission_malformed' } }
  return expected === 'no'
    ? { decision: false, reason: { code: 'no_role_grants' } }
    : { decision: true, reason: { code, pattern: expected } }
}

const factsOf = (kind: 'membership' | 'api_key', grants: Grants): Facts => ({
  tenant: { id: tenant_id, status: 'active' },
  subject: {
    ...{ kind, id: 'one', status: 'active', expires_at: null },
    grants: grants.map((grant, index) => ({ ...grant, role: kind === 'api_key' ? null : `role-${index}` })),
  },
})

/** Each in one batch, as it is cheaper; one by one they are decided by the same function (evaluations.test.ts). */
const decided = async (subject: { type: string; id: string }, permissions: string[]): Promise<Decision[]> => {
  const evaluations = permissions.map((permission) => {
    const [type, ...action] = permission.split(':')
    return { action: { name: action.join(':') }, resource: { type, id: 'one' } }
  })
  const body = { subject, context: { tenant_id, explain: true }, evaluations }
  const answer = made(await s.root.post('/access/v1/evaluations', body))
  return answer.evaluations.map(
    ({ decision, context }: { decision: boolean; context: { reason: Decision['reason'] } }) => ({
      ...{ decision, reason: context.reason },
    }),
  )
}

/** What is told of one subject, with its token, must be what the case says. */
const agrees = async (
  t: Test,
  { asks }: Case,
  code: 'role_grants' | 'key_grants',
  { subject, facts, token }: { subject: { type: string; id: string }; facts: Facts; token: string },
): Promise<void> => {
  const permissions = Object.keys(asks)
  const online = await decided(subject, permissions)
  const principal = await verifier.verify(token)
  for (const [index, permission] of permissions.entries()) {
    const expected = asks[permission] ?? 'no'
    t.match(decide(facts, { tenant_id, permission }, s.now), answerOf(expected, code), `${permission}, pure`)
    t.match(online[index], answerOf(expected, code), `${permission}, over HTTP`)
    const isHeld = expected !== 'no' && expected !== 'malformed'
    t.equal(principal.answerTo(permission), isHeld ? 'yes' : 'no', `${permission}, offline`)
  }
}

cases.forEach((each, index) => {
  const grants: Grants = each.grants.map(({ permissions, excludes = [] }) => ({ permissions, excludes }))
  const [first = { permissions: [], excludes: [] }] = grants

  t.test(`${each.name}: in roles`, async (t) => {
    const roles = await Promise.all(grants.map((grant) => s.aRole({ tenant_id, ...grant })))
    const { user_id } = await s.aMembership(tenant_id, { user_id: `user_${index}`, roles: roles.map(({ key }) => key) })
    const token = await s.aToken(tenant_id, user_id, { audience: AUDIENCE })
    await agrees(t, each, 'role_grants', {
      ...{ subject: { type: 'user', id: user_id }, facts: factsOf('membership', grants), token },
    })
  })

  if (grants.length > 1) return
  t.test(`${each.name}: in an API key`, async (t) => {
    const key = await s.anApiKey({ tenant_id, ...first })
    const fields = { grant_type: 'client_credentials', audience: AUDIENCE }
    const basic = `Basic ${Buffer.from(`${key.id}:${key.secret}`).toString('base64')}`
    const { access_token } = made(await s.stranger.form('/oauth/token', fields, { authorization: basic }))
    const subject = { type: 'api_key', id: key.id }
    await agrees(t, each, 'key_grants', { subject, facts: factsOf('api_key', grants), token: access_token })
  })
})

t.test('an API key that has ended may do nothing, whatever it holds', async (t) => {
  const key = await s.anApiKey({ tenant_id, permissions: ['*'], expires_at: s.instant(60) })
  const subject = { type: 'api_key', id: key.id }
  t.match(await decided(subject, ['invoice:read']), [{ decision: true, reason: { code: 'key_grants' } }])
  s.advance(60)
  t.match(await decided(subject, ['invoice:read']), [{ decision: false, reason: { code: 'api_key_expired' } }])
})
