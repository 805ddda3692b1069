// Signs with the active key, through @fastify/jwt: one signer for each kind of token, told apart by `typ` (RFC 8725 §3.11).
import { createPublicKey } from 'node:crypto'
import jwt, { type JWT } from '@fastify/jwt'
import type { FastifyInstance } from 'fastify'
import type { ActiveKey } from './signing-keys.ts'

export type Sign<Claims extends object> = (claims: Claims) => string

/** What is signed, and the `typ` that says so in its header: RFC 9068 §2.1 names the first. */
const TYPES = { access_token: 'at+jwt', revocations: 'tenantry-revocations+jwt' }

/**
 * A signer is made once, with the plugin: options given to each `sign` would make a new one each time, which was measured
 * at twelve times the cost of signing.
 */
export const installSigner = async <Claims extends object>(
  app: FastifyInstance,
  namespace: keyof typeof TYPES,
  { private_key, kid, algorithm }: ActiveKey,
): Promise<Sign<Claims>> => {
  if (algorithm !== 'ES256') throw new Error(`no signer for ${algorithm}`)
  await app.register(jwt, {
    namespace,
    secret: {
      private: private_key.export({ format: 'pem', type: 'pkcs8' }),
      public: createPublicKey(private_key).export({ format: 'pem', type: 'spki' }),
    },
    sign: { algorithm, kid, header: { alg: algorithm, typ: TYPES[namespace] } },
    verify: { algorithms: [algorithm] },
  })
  const { [namespace]: signer } = app.jwt as unknown as Record<string, JWT> // the plugin's types know no namespaces
  if (!signer) throw new Error(`@fastify/jwt made no ${namespace}`)
  return (claims) => signer.sign(claims)
}
