// The keys that sign tokens. They live in the database, so that replicas share them; private parts are sealed.
import { createHash, createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { components } from '@tenantry/client/contract'
import canonicalize from 'canonicalize'
import { asc } from 'drizzle-orm'
import type { History } from '../database/history.ts'
import { signingKeys } from '../database/schema.ts'
import type { PlatformTx } from '../database/scope.ts'
import type { Seal } from '../sealing.ts'

export type PublicJwk = components['schemas']['Jwk']

export interface SigningKey {
  kid: string
  algorithm: string
  public_jwk: PublicJwk
}

export interface ActiveKey extends SigningKey {
  private_key: KeyObject
}

const ALGORITHM = 'ES256'

const contextOf = (kid: string): string => `signing_key:${kid}`

/** RFC 7638: the hash of the key's required members in their one canonical form. */
export const thumbprintOf = ({ crv, kty, x, y }: Record<'crv' | 'kty' | 'x' | 'y', string>): string =>
  createHash('sha256')
    .update(canonicalize({ crv, kty, x, y }) ?? '')
    .digest('base64url')

/** All keys, oldest first, and the one that signs. @throws SealError when another encryption key sealed them */
export const readSigningKeys = async (
  tx: PlatformTx,
  seal: Seal,
): Promise<{ keys: SigningKey[]; active: ActiveKey | undefined }> => {
  const rows = await tx.select().from(signingKeys).orderBy(asc(signingKeys.created_at))
  const keys = rows.map(({ kid, algorithm, public_jwk }) => ({ kid, algorithm, public_jwk: public_jwk as PublicJwk })) // as it was written below
  const row = rows.find(({ status }) => status === 'active')
  const key = keys.find(({ kid }) => kid === row?.kid)
  if (!row || !key) return { keys, active: undefined }
  const der = seal.open(row.sealed_private_key, contextOf(row.kid))
  return { keys, active: { ...key, private_key: createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }) } }
}

/** Makes a key and lets it sign from now on. Runs under the platform's lock. */
export const createSigningKey = async (tx: PlatformTx, seal: Seal, history: History, now: Date): Promise<ActiveKey> => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { crv, kty, x, y } = publicKey.export({ format: 'jwk' })
  if (!crv || !kty || !x || !y) throw new Error('an EC key has crv, kty, x and y')
  const kid = thumbprintOf({ crv, kty, x, y })
  const public_jwk: PublicJwk = { kty, crv, x, y, use: 'sig', alg: ALGORITHM, kid }
  await tx.insert(signingKeys).values({
    ...{ kid, algorithm: ALGORITHM, public_jwk, status: 'active', created_at: now.toISOString() },
    sealed_private_key: seal.seal(privateKey.export({ format: 'der', type: 'pkcs8' }), contextOf(kid)),
  })
  await history.append(tx, {
    ...{
      type: 'signing_key.created',
      actor: { type: 'system', id: null },
      at: now,
      data: { kid, algorithm: ALGORITHM },
    },
  })
  return { kid, algorithm: ALGORITHM, public_jwk, private_key: privateKey }
}
