// Tokens for tests, signed for real with a key that exists in this process only.

import { generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto'
import { API_KEY_SUBJECT_PREFIX, type TokenClaims } from '../claims.ts'
import { ACCESS_TOKEN } from '../header.ts'
import type { Jwk } from '../keys.ts'
import type { Grant } from '../permissions.ts'
import { BUILT_IN_ROLES } from '../roles.ts'
import { misconfigured } from '../settings.ts'

/** The tenant of tokens that name none, and another one. */
export const TEST_TENANT_ID = '00000000-0000-7000-8000-00000000000a'
export const OTHER_TENANT_ID = '00000000-0000-7000-8000-00000000000b'

/** What a token is to say; everything has a default. */
export type Mint = {
  readonly tenant_id?: string | undefined
  readonly tenant_slug?: string | undefined
  /** Default: `user_test`. */
  readonly user_id?: string | undefined
  /** Default: `membership_of_<user_id>`. */
  readonly membership_id?: string | undefined
  /** Makes it a machine's token instead of a user's. */
  readonly api_key_id?: string | undefined
  readonly client_id?: string | undefined
  /** Default: `['member']`, and none for a machine. */
  readonly roles?: readonly string[] | undefined
  /** Default: what the built-in roles grant. Roles of your own need theirs. */
  readonly grants?: readonly Grant[] | undefined
  readonly permissions?: readonly string[] | undefined
  /** Default: nothing. What the holder may do only on some resource. */
  readonly ask?: readonly string[] | undefined
  /** Default: that of the issuer. */
  readonly audience?: string | undefined
  /** Default: 300. */
  readonly ttl_seconds?: number | undefined
  /** Default: now. */
  readonly issued_at?: Date | undefined
  readonly not_before?: Date | undefined
  /** Default: the present revisions. */
  readonly rev?: Readonly<Record<string, number>> | undefined
}

export type MintDefaults = { readonly issuer: string; readonly audience: string; readonly now: Date }

export function claimsFor(mint: Mint, { issuer, audience, now }: MintDefaults): Omit<TokenClaims, 'rev'> {
  const { tenant_id = TEST_TENANT_ID, roles = mint.api_key_id === undefined ? ['member'] : [] } = mint
  const iat = secondsOf(mint.issued_at ?? now)
  return {
    ...{ iss: issuer, aud: mint.audience ?? audience, ...subjectOf(mint) },
    ...{ iat, exp: iat + (mint.ttl_seconds ?? 300), jti: randomUUID() },
    ...(mint.not_before !== undefined && { nbf: secondsOf(mint.not_before) }),
    ...{ client_id: mint.client_id ?? mint.api_key_id ?? 'client_test' },
    ...{ tenant_id, tenant_slug: mint.tenant_slug ?? 'test' },
    ...{ roles, permissions: mint.permissions ?? [], grants: mint.grants ?? roles.map(grantOf) },
    ...(mint.ask !== undefined && { ask: mint.ask }),
  }
}

function subjectOf({
  user_id = 'user_test',
  membership_id,
  api_key_id,
}: Mint): Pick<TokenClaims, 'sub' | 'membership_id'> {
  if (api_key_id !== undefined) return { sub: `${API_KEY_SUBJECT_PREFIX}${api_key_id}`, membership_id: null }
  return { sub: user_id, membership_id: membership_id ?? `membership_of_${user_id}` }
}

function grantOf(key: string): Grant {
  const role = BUILT_IN_ROLES.find((role) => role.key === key)
  if (role === undefined) throw misconfigured(`"${key}" is no built-in role: say what it grants with "grants".`)
  return { permissions: role.permissions, excludes: role.excludes }
}

function secondsOf(instant: Date): number {
  return Math.floor(instant.getTime() / 1_000)
}

/** A key pair, made when this is made, and gone with the process. */
export class TestKey {
  readonly #privateKey: KeyObject
  readonly #kid = randomUUID()
  readonly jwk: Jwk

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    this.#privateKey = privateKey
    this.jwk = { kty: 'EC', ...publicKey.export({ format: 'jwk' }), kid: this.#kid, alg: 'ES256', use: 'sig' }
  }

  /** RFC 7515 §3.1. */
  sign(payload: object, typ: string = ACCESS_TOKEN): string {
    const signed = `${encode({ alg: 'ES256', typ, kid: this.#kid })}.${encode(payload)}`
    const signature = sign('sha256', Buffer.from(signed), { key: this.#privateKey, dsaEncoding: 'ieee-p1363' })
    return `${signed}.${signature.toString('base64url')}`
  }
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}
