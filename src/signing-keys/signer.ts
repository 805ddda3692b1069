// Signs through @fastify/jwt.
import { createPublicKey, type KeyObject } from 'node:crypto'
import jwt from '@fastify/jwt'
import Fastify from 'fastify'
import { ALGORITHMS } from './generation.ts'

export type Sign<Claims extends object> = (claims: Claims) => string

/** `typ` tells one kind of token from another (RFC 8725 §3.11); RFC 9068 §2.1 names the first. */
export type TokenType = 'at+jwt' | 'tenantry-revocations+jwt' | 'tenantry-roles+jwt'

interface Key {
  kid: string
  algorithm: string
  private_key: KeyObject
}

/**
 * A signer for one key and one type. The plugin makes its signer once, when it is registered, and options given to each
 * `sign` would make a new one each time, at twelve times the cost of signing. So each key gets a Fastify instance of its
 * own, which serves nothing and is as old as the key: that way keys can be turned while the service runs.
 */
export const makeSigner = async <Claims extends object>(
  typ: TokenType,
  { kid, algorithm: name, private_key }: Key,
): Promise<Sign<Claims>> => {
  const algorithm = ALGORITHMS.find((known) => known === name)
  if (!algorithm) throw new Error(`no signer for ${name}`)
  const host = Fastify()
  await host.register(jwt, {
    secret: {
      private: private_key.export({ format: 'pem', type: 'pkcs8' }),
      public: createPublicKey(private_key).export({ format: 'pem', type: 'spki' }),
    },
    sign: { algorithm, kid, header: { alg: algorithm, typ } },
    verify: { algorithms: [algorithm] },
  })
  return (claims) => host.jwt.sign(claims)
}
