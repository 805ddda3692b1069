// Delegation (RFC 8693 §4.1): a token that says who acts for the user. Off unless a key is allowed to, and told in the history.
import { createVerifier, type Principal } from '@tenantry/client'
import t from 'tap'
import { AUDIENCE, anIdentityProvider } from '../support/identity-provider.ts'
import { type Answer, aService, made } from '../support/service.ts'

const s = await aService(t, { allow_loopback_issuers: true })
const idp = await anIdentityProvider(t, () => s.now)
const API = 'https://api.acme.example'
const ID_TOKEN = 'urn:ietf:params:oauth:token-type:id_token'
made(await s.root.post('/issuers', { issuer: idp.issuer, audiences: [AUDIENCE] }))
const acme = await s.aTenant()
const alice = await s.aMembership(acme.id, { user_id: 'alice' })
const desk = await s.anApiKey({ permissions: ['tenantry.token:delegate'] })

type Form = Record<string, string>

const post = (form: Form, secret?: string): Promise<Answer> =>
  s.stranger.post('/oauth/token', new URLSearchParams(form).toString(), {
    'content-type': 'application/x-www-form-urlencoded',
    ...(secret !== undefined && { authorization: `Bearer ${secret}` }),
  })

const delegate = (form: Form = {}, secret: string | undefined = desk.secret): Promise<Answer> =>
  post(
    {
      ...{ grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', audience: API, tenant_id: acme.id },
      ...{ subject_token: idp.token(), subject_token_type: ID_TOKEN },
      ...{ actor_token: idp.token({ sub: 'susan' }), actor_token_type: ID_TOKEN, ...form },
    },
    secret,
  )

const verify = (token: string): Promise<Principal> =>
  createVerifier({
    ...{ issuer: s.issuer, audience: API, clock: () => s.now },
    keys: async (kid) =>
      (await s.stranger.get('/.well-known/jwks.json')).body.keys.find((key: { kid: string }) => key.kid === kid),
  }).verify(token)

const tokenOf = async (answer: Promise<Answer>): Promise<string> => made(await answer).access_token
const events = async () => (await s.root.get(`/events?tenant_id=${acme.id}&type=token.delegated`)).body.data

t.test('the token is the user’s, says who acts, and the history tells of it', async (t) => {
  const token = await tokenOf(delegate())
  const principal = await verify(token)
  t.match(principal, { user_id: 'alice', membership_id: alice.id, roles: ['member'], actor: { sub: 'susan' } })
  const [event] = await events()
  t.match(event, {
    ...{ type: 'token.delegated', actor: { type: 'api_key', id: desk.id } },
    data: { jti: principal.token_id, membership_id: alice.id, audience: API, api_key_id: null },
  })
  const gateway = await s.as(token).get(`/forward-auth?audience=${API}`)
  t.match(gateway.headers, { 'tenantry-user-id': 'alice', 'tenantry-actor': 'susan' }, 'gateways say it too')
  t.notMatch(JSON.stringify(event), /susan|alice/, 'no personal data')
  const [row] = await s.test_database.superuser(
    'select data from tenantry.event_personal_data where history_id = $1 and revision = $2',
    [acme.id, event.revision],
  )
  t.same(row?.data, { user_id: 'susan' }, 'but it is kept beside')
  const known = made(
    await s.root.post('/oauth/introspect', new URLSearchParams({ token }).toString(), {
      'content-type': 'application/x-www-form-urlencoded',
    }),
  )
  t.match(known, { active: true, sub: 'alice', act: { sub: 'susan' } })
})

t.test('a machine acts with its own token', async (t) => {
  const machine = await tokenOf(
    post({ grant_type: 'client_credentials', audience: API, tenant_id: acme.id }, desk.secret),
  )
  const { actor } = await verify(await tokenOf(delegate({ actor_token: machine })))
  t.same(actor, { sub: `api_key:${desk.id}` })
  t.match((await events()).at(-1), { data: { api_key_id: desk.id } })
  const other = await s.anApiKey({ permissions: ['invoice:read'] })
  const foreign = await tokenOf(
    post({ grant_type: 'client_credentials', audience: API, tenant_id: acme.id }, other.secret),
  )
  t.match(await delegate({ actor_token: foreign }), { status: 400, body: { error: 'invalid_request' } })
})

t.test('a chain names all of them, the last one outside, and has an end', async (t) => {
  const issuing = await s.anApiKey({ permissions: ['tenantry.token:delegate', 'tenantry.token:issue'] })
  let token = await tokenOf(delegate({}, issuing.secret))
  const next = (): Promise<Answer> =>
    delegate({ subject_token: token, actor_token: idp.token({ sub: 'tom' }) }, issuing.secret)
  token = await tokenOf(next())
  t.same((await verify(token)).actor, { sub: 'tom', act: { sub: 'susan' } })
  for (let length = 3; length <= 5; length++) token = await tokenOf(next())
  t.match(await next(), { status: 400, body: { error: 'invalid_request' } })
  const kept = delegate({ subject_token: token, actor_token: '', actor_token_type: '' }, issuing.secret)
  t.match((await verify(await tokenOf(kept))).actor, { sub: 'tom' }, 'an exchange does not shake the actor off')
})

t.test('it is off unless a key is allowed to, by name', async (t) => {
  const before = await s.revisionOf(acme.id)
  const mighty = await s.anApiKey({ permissions: ['*', 'tenantry.*', 'tenantry.token:issue'] })
  for (const [name, secret] of [
    ['nobody', undefined],
    ['a key that holds everything else', mighty.secret],
    ['the root key', s.root_api_key],
  ] as const) {
    const { status, body } = await post(
      {
        ...{ grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', audience: API, tenant_id: acme.id },
        ...{ subject_token: idp.token(), subject_token_type: ID_TOKEN },
        ...{ actor_token: idp.token({ sub: 'susan' }), actor_token_type: ID_TOKEN },
      },
      secret,
    )
    t.match({ status, body }, { status: 400, body: { error: 'unauthorized_client' } }, name)
  }
  t.match(await s.root.post('/api-keys', { name: 'x', permissions: ['tenantry.token:delegate'] }), { status: 201 })
  t.equal(await s.revisionOf(acme.id), before)
})

t.test('what does not prove who acts is refused, and nothing is told', async (t) => {
  const before = await s.revisionOf(acme.id)
  for (const [name, form, error] of [
    ['an actor of nobody', { actor_token: 'x' }, 'invalid_request'],
    [
      'an actor that is over',
      { actor_token: idp.token({ exp: Math.floor(s.now.getTime() / 1_000) }) },
      'invalid_request',
    ],
    ['an actor for another audience', { actor_token: idp.token({ aud: 'other' }) }, 'invalid_request'],
    ['an actor of a strange issuer', { actor_token: idp.token({ iss: 'https://evil.example' }) }, 'invalid_request'],
    ['no type', { actor_token_type: '' }, 'invalid_request'],
    ['a type without a token', { actor_token: '' }, 'invalid_request'],
    ['for Tenantry itself', { audience: s.issuer }, 'invalid_target'],
    ['another tenant', { tenant_id: (await s.aTenant()).id }, 'invalid_target'],
  ] as const) {
    t.match(await delegate(form), { status: 400, body: { error } }, name)
  }
  t.equal(await s.revisionOf(acme.id), before)
})

t.test('it ends with the actor’s token, and goes when the key does', async (t) => {
  const now = Math.floor(s.now.getTime() / 1_000)
  const { body } = await delegate({ actor_token: idp.token({ sub: 'susan', exp: now + 40 }) })
  t.equal(body.expires_in, 40)
  const inspect = async () =>
    made(
      await s.root.post('/oauth/introspect', new URLSearchParams({ token: body.access_token }).toString(), {
        'content-type': 'application/x-www-form-urlencoded',
      }),
    )
  t.equal((await inspect()).active, true)
  await s.root.delete(`/api-keys/${desk.id}`)
  t.equal((await inspect()).active, false)
})
