// The table of attacks on tokens, against everything of the service that takes one: its own API, introspection, and the
// exchange, of our own tokens and of a trusted issuer's.
import { createPrivateKey, createPublicKey } from 'node:crypto'
import t from 'tap'
import { ATTACKS, type Attack, goodToken, mirrored, type Victim } from '../../clients/node/test/support/attacks.ts'
import { asJwk } from '../../clients/node/test/support/tokens.ts'
import { Seal } from '../../src/sealing.ts'
import { sealingContext } from '../../src/signing-keys/rotation.ts'
import { AUDIENCE, anIdentityProvider, jwkOf } from '../support/identity-provider.ts'
import { type Answer, aService, made } from '../support/service.ts'

const s = await aService(t, { allow_loopback_issuers: true })
const acme = await s.aTenant({ owner: { user_id: 'olga' } })
await s.aMembership(acme.id, { user_id: 'alice' })
const idp = await anIdentityProvider(t, () => s.now)
made(await s.root.post('/issuers', { issuer: idp.issuer, audiences: [AUDIENCE] }))

const exchange = (token: string): Promise<Answer> => s.exchange(token, { tenant_id: acme.id })
const introspect = (token: string): Promise<Answer> => s.root.form('/oauth/introspect', { token })
const call = (token: string): Promise<Answer> => s.as(token).get(`/tenants/${acme.id}`)

const decode = (part: string | undefined) => JSON.parse(Buffer.from(part ?? '', 'base64url').toString())

/** The service, with the key that it seals away: to write what only it could, by mistake. */
const ourselves = async (): Promise<Victim> => {
  const [header, claims] = (await s.aToken(acme.id, 'alice')).split('.').slice(0, 2).map(decode)
  const [row] = await s.test_database.superuser('select sealed_private_key as sealed from tenantry.signing_keys')
  const der = new Seal(s.encryption_key).open(Buffer.from(row?.sealed as Uint8Array), sealingContext(header.kid))
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const publicKey = createPublicKey(privateKey)
  const { kid } = header
  return { key: { kid, alg: 'ES256', privateKey, publicKey, jwk: asJwk(publicKey, { kid }) }, header, claims }
}

const provider = (): Victim => {
  const { kid } = idp.key
  const [header, claims] = idp.token().split('.').slice(0, 2).map(decode)
  return { key: { ...idp.key, jwk: { kty: 'EC', ...jwkOf(idp.key) } }, header: { ...header, kid }, claims }
}

const us = await ourselves()
const them = provider()

t.test('the good tokens are good', async (t) => {
  t.equal((await call(goodToken(us))).status, 200)
  t.equal((await exchange(goodToken(us))).status, 200)
  t.match((await introspect(goodToken(us))).body, { active: true })
  t.equal((await exchange(goodToken(them))).status, 200)
})

const isUnauthorized = ({ status, headers }: Answer): boolean =>
  status === 401 && String(headers['www-authenticate']).startsWith('Bearer ')

const isRefusedExchange = ({ status, body }: Answer): boolean =>
  (status === 400 || status === 413) && body.error === 'invalid_request'

/** Nobody learns why; what cannot be a token at all is a request that is wrong. */
const isInactive = (answer: Answer): boolean =>
  (answer.status === 200 && answer.text === '{"active":false}') || isRefusedExchange(answer)

/** Which of the attacks succeed, and with what answer. */
const successesOf = async (
  attacks: readonly Attack[],
  [where, attempt, isRefused]: readonly [string, (token: string) => Promise<Answer>, (answer: Answer) => boolean],
): Promise<string[]> => {
  const successes: string[] = []
  for (const [name, token] of attacks) {
    const answer = await attempt(token)
    if (!isRefused(answer)) successes.push(`${where}: ${name}: ${answer.status} ${answer.text}`)
  }
  return successes
}

for (const { title, ours, attacks } of ATTACKS) {
  t.test(`refused everywhere: ${title}`, async (t) => {
    const [against_us, against_them] = [attacks(us), ours ? [] : attacks(them)]
    // Introspection is for those whom the token is for, and says who that is.
    const introspected = against_us.filter(([, , reason]) => reason !== 'audience')
    t.ok(against_us.length > 0)
    t.same(await successesOf(against_us, ['API', call, isUnauthorized]), [])
    t.same(await successesOf(against_us, ['exchange', exchange, isRefusedExchange]), [])
    t.same(await successesOf(introspected, ['introspection', introspect, isInactive]), [])
    t.same(await successesOf(against_them, ['exchange of an issuer’s', exchange, isRefusedExchange]), [])
  })
}

t.test('what else the service or an issuer signs is no token of the service (RFC 8725 §2.8)', async (t) => {
  const snapshot = (await s.root.get('/revocations')).text
  for (const token of [snapshot, goodToken(them)]) {
    t.match(await call(token), { status: 401, body: { code: 'token.invalid' } })
    t.match(await introspect(token), { status: 200, body: { active: false } })
  }
  t.ok(isRefusedExchange(await exchange(snapshot)))
})

t.test('the other signature that ECDSA allows is the same token, and ends with it', async (t) => {
  const token = await s.aToken(acme.id, 'alice')
  const other = mirrored(token)
  t.not(other, token)
  t.match((await introspect(other)).body, { active: true })
  t.equal((await s.root.form('/oauth/revoke', { token })).status, 200)
  t.same((await introspect(other)).body, { active: false })
  t.match(await call(other), { status: 401, body: { code: 'token.stale' } })
})

t.test('a storm of unknown kids costs the database next to nothing (RFC 8725 §3.10)', async (t) => {
  const { database } = s.service
  const { asPlatform } = database
  let readings = 0
  database.asPlatform = (reason, work) => {
    if (reason === 'read the signing keys') readings++
    return asPlatform.call(database, reason, work) as ReturnType<typeof work>
  }
  t.teardown(() => {
    database.asPlatform = asPlatform
  })
  s.advance(5)
  const withKid = (number: number) => goodToken({ ...us, header: { ...us.header, kid: `kid-${number}` } })
  const storm = Array.from({ length: 150 }, (_, number) => [call, introspect, exchange][number % 3]?.(withKid(number)))
  const answers = await Promise.all(storm)
  t.ok(answers.every((answer) => answer && (isUnauthorized(answer) || isInactive(answer))))
  for (let number = 150; number < 180; number++) t.ok(isUnauthorized(await call(withKid(number))))
  t.ok(readings >= 1 && readings <= 2, `${readings} readings`)
})

t.test('no forgery was a fault of ours', async (t) => {
  t.same(
    s.logged.filter(({ level }) => level >= 50),
    [],
  )
})
