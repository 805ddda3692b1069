// An identity provider on loopback: a key set, and tokens of users who have just logged in.
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createSigner } from 'fast-jwt'
import { answerWith } from './processes.mjs'

const { audience, user_ids } = JSON.parse(process.argv[2])
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const kid = 'bench'
const jwks = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid, alg: 'ES256', use: 'sig' }] }

const server = createServer((_, response) => {
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(jwks))
}).listen(0, '127.0.0.1')
await once(server, 'listening')
const issuer = `http://127.0.0.1:${server.address().port}`

const sign = createSigner({ key: privateKey.export({ type: 'pkcs8', format: 'pem' }), algorithm: 'ES256', kid })
const iat = Math.floor(Date.now() / 1_000)
const tokens = user_ids.map((sub) => sign({ iss: issuer, aud: audience, sub, iat, exp: iat + 3_600 }))
answerWith({ issuer, audience, jwk: jwks.keys[0], tokens }, () => 'nothing else to say')
