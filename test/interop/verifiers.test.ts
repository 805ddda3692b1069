// Verifiers that others wrote accept our tokens from the issuer's address alone, and refuse what they should.
import express, { type ErrorRequestHandler } from 'express'
import { auth } from 'express-oauth2-jwt-bearer'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import jwt from 'jsonwebtoken'
import jwksRsa from 'jwks-rsa'
import t from 'tap'
import { aLoopback, aServedService } from '../support/loopback.ts'

const API = 'https://invoices.example'

for (const signing_algorithm of ['ES256', 'RS256'] as const) {
  t.test(`tokens signed with ${signing_algorithm}`, async (t) => {
    const s = await aServedService(t, { signing_algorithm })
    const acme = await s.aTenant({ owner: { user_id: 'olga' } })
    const token = await s.aToken(acme.id, 'olga', { audience: API })
    const foreign = await s.aToken(acme.id, 'olga', { audience: 'https://orders.example' })
    const claims = { sub: 'olga', tenant_id: acme.id, roles: ['owner'] }
    const jwks_uri = `${s.issuer}/.well-known/jwks.json`

    t.test('jose', async (t) => {
      const keys = createRemoteJWKSet(new URL(jwks_uri))
      const options = { issuer: s.issuer, audience: API, typ: 'at+jwt', algorithms: [signing_algorithm] }
      t.match((await jwtVerify(token, keys, options)).payload, claims)
      await t.rejects(jwtVerify(foreign, keys, options), { code: 'ERR_JWT_CLAIM_VALIDATION_FAILED', claim: 'aud' })
      const feed = await (await fetch(`${s.issuer}/revocations`, bearing(s.root_api_key))).text()
      await t.rejects(
        jwtVerify(feed, keys, options),
        { code: 'ERR_JWT_CLAIM_VALIDATION_FAILED', claim: 'typ' },
        'what else we sign is no token',
      )
    })

    t.test('jsonwebtoken, with the keys from jwks-rsa', async (t) => {
      const client = jwksRsa({ jwksUri: jwks_uri })
      const verify = (bearer: string) =>
        new Promise((resolve, reject) => {
          const getKey: jwt.GetPublicKeyOrSecret = ({ kid }, done) =>
            client.getSigningKey(kid).then((key) => done(null, key.getPublicKey()), done)
          const options = { issuer: s.issuer, audience: API, algorithms: [signing_algorithm] }
          jwt.verify(bearer, getKey, options, (error, payload) => (error ? reject(error) : resolve(payload)))
        })
      t.match(await verify(token), claims)
      await t.rejects(verify(foreign), { message: /audience/ })
    })

    t.test('express-oauth2-jwt-bearer, as strict as it can be', async (t) => {
      const { url, serve } = await aLoopback(t)
      const app = express()
      app.use(auth({ issuerBaseURL: s.issuer, audience: API, strict: true, tokenSigningAlg: signing_algorithm }))
      app.get('/', (request, response) => void response.json(request.auth?.payload))
      app.use(((error, _, response, __) => void response.status(error.status).end(error.code)) as ErrorRequestHandler)
      serve(app)
      const accepted = await fetch(url, bearing(token))
      t.equal(accepted.status, 200)
      t.match(await accepted.json(), claims)
      t.equal((await fetch(url, bearing(foreign))).status, 401)
      t.equal((await fetch(url)).status, 401)
    })
  })
}

const bearing = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
