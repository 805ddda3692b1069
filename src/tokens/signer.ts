// Signs claims with the active key, through @fastify/jwt.
import { createPublicKey } from 'node:crypto'
import jwt from '@fastify/jwt'
import type { TokenClaims } from '@tenantry/client'
import type { FastifyInstance } from 'fastify'
import type { ActiveKey } from './signing-keys.ts'

export type Sign = (claims: TokenClaims) => string

/**
 * The signer is made once, with the plugin: options given to each `sign` would make a new one each time, which was
 * measured at twelve times the cost of signing.
 */
export const installSigner = async (
  app: FastifyInstance,
  { private_key, kid, algorithm }: ActiveKey,
): Promise<Sign> => {
  if (algorithm !== 'ES256') throw new Error(`no signer for ${algorithm}`)
  await app.register(jwt, {
    secret: {
      private: private_key.export({ format: 'pem', type: 'pkcs8' }),
      public: createPublicKey(private_key).export({ format: 'pem', type: 'spki' }),
    },
    // RFC 9068 §2.1 asks for this `typ`.
    sign: { algorithm, kid, header: { alg: algorithm, typ: 'at+jwt' } },
    verify: { algorithms: [algorithm] },
  })
  return (claims) => app.jwt.sign(claims)
}
