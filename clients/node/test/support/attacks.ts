// Every way to forge, bend or bloat a token that we know of: one table, against whatever takes tokens. Each token must be
// refused; the reason is what our own verifier says.

import { createHmac } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import type { InvalidTokenReason } from '../../src/index.ts'
import { aKey, asJwk, encode, type SigningKey, signatureOf, signedText } from './tokens.ts'

/** Whose tokens are forged. */
export type Victim = {
  /** Signs good tokens. What is public of it the attacker knows; with all of it, an issuer makes mistakes. */
  readonly key: SigningKey
  readonly header: { readonly [member: string]: unknown }
  readonly claims: {
    readonly [claim: string]: unknown
    readonly iss: string
    readonly aud: string
    readonly iat: number
  }
}

export type Attack = readonly [name: string, token: string, reason: InvalidTokenReason]

export type AttackGroup = {
  readonly title: string
  /** Only where tokens are Tenantry's own: other issuers may do it. */
  readonly ours?: true
  readonly attacks: (victim: Victim) => Attack[]
}

type Change = { readonly [member: string]: unknown }

/** A token that the victim's key has signed, with other members. */
function changed({ key, header, claims }: Victim, change: { header?: Change; claims?: Change }): string {
  return signedText(
    key,
    JSON.stringify({ ...header, ...change.header }),
    JSON.stringify({ ...claims, ...change.claims }),
  )
}

export function goodToken(victim: Victim): string {
  return changed(victim, {})
}

function withClaims(victim: Victim, reason: InvalidTokenReason, list: readonly [name: string, claims: Change][]) {
  return list.map(([name, claims]): Attack => [name, changed(victim, { claims }), reason])
}

/** One key for all who pretend to be somebody: what matters is that it is not the victim's. */
const mallorys = aKey('ES256', 'mallory')

function forgedBy(victim: Victim, header: Change = {}): string {
  const mallory = { ...mallorys, kid: victim.key.kid }
  return changed({ ...victim, key: mallory }, { header: { alg: 'ES256', ...header } })
}

function partsOf(victim: Victim): { header: string; payload: string; signature: string; good: string } {
  const good = goodToken(victim)
  const [header = '', payload = '', signature = ''] = good.split('.')
  return { header, payload, signature, good }
}

const P256_ORDER = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex')

/** The other signature that is as good: whoever knows (r, s) knows (r, n − s), and no standard of JWTs forbids it. */
export function mirrored(token: string): string {
  const [header, payload, signature = ''] = token.split('.')
  const bytes = Buffer.from(signature, 'base64url')
  const [r, s] = [bytes.subarray(0, 32), BigInt(`0x${bytes.subarray(32).toString('hex')}`)]
  const other = (BigInt(`0x${P256_ORDER.toString('hex')}`) - s).toString(16).padStart(64, '0')
  return `${header}.${payload}.${Buffer.concat([r, Buffer.from(other, 'hex')]).toString('base64url')}`
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** What only ECDSA's two numbers can be. */
function bentEcdsa(signature: Buffer): [name: string, bytes: Buffer][] {
  const [r, s, zero] = [signature.subarray(0, 32), signature.subarray(32), Buffer.alloc(32)]
  return [
    ['both numbers zero (CVE-2022-21449)', Buffer.concat([zero, zero])],
    ['r zero', Buffer.concat([zero, s])],
    ['s zero', Buffer.concat([r, zero])],
    ['both the order of the curve', Buffer.concat([P256_ORDER, P256_ORDER])],
    ['r and s swapped', Buffer.concat([s, r])],
    ['in DER', Buffer.concat([Buffer.from('30440220', 'hex'), r, Buffer.from('0220', 'hex'), s])],
  ]
}

export const ATTACKS: readonly AttackGroup[] = [
  {
    title: '"none", in every spelling (RFC 8725 §2.1, §3.2)',
    attacks: (victim) => {
      const { payload, signature } = partsOf(victim)
      return ['none', 'None', 'NONE', 'nOnE', 'none ', '', null, undefined, 0, ['none']].flatMap((alg): Attack[] => {
        const unsigned = `${encode(JSON.stringify({ ...victim.header, alg }))}.${payload}`
        return [
          [`${alg} and nothing`, `${unsigned}.`, 'malformed'],
          [`${alg} and the signature of another`, `${unsigned}.${signature}`, 'algorithm'],
        ]
      })
    },
  },
  {
    title: 'an HMAC, with what is public as its secret (RFC 8725 §2.1)',
    attacks: (victim) => {
      const { publicKey, jwk } = victim.key
      const secrets: [string, string | Buffer][] = [
        ['PEM', publicKey.export({ type: 'spki', format: 'pem' })],
        ['PEM without its last line end', String(publicKey.export({ type: 'spki', format: 'pem' })).trim()],
        ['DER', publicKey.export({ type: 'spki', format: 'der' })],
        ['JWK', JSON.stringify(jwk)],
        ['numbers of the key', Buffer.from(String(jwk.n ?? jwk.x), 'base64url')],
        ['nothing', ''],
      ]
      return ['HS256', 'HS384', 'HS512'].flatMap((alg) =>
        secrets.map(([name, secret]): Attack => {
          const signed = `${encode(JSON.stringify({ ...victim.header, alg }))}.${partsOf(victim).payload}`
          const hmac = createHmac(alg.replace('HS', 'sha'), secret).update(signed).digest('base64url')
          return [`${alg}: ${name}`, `${signed}.${hmac}`, 'algorithm']
        }),
      )
    },
  },
  {
    title: 'another algorithm than that of the key (RFC 8725 §3.1)',
    attacks: (victim) => {
      const others = ['RS256', 'ES256', 'EdDSA', 'es256', 'ES256K', 'ES384', 'PS256', 'RS1', 'ES256 ', 'toString']
      return [...others, '__proto__']
        .filter((alg) => alg !== victim.key.alg)
        .map((alg): Attack => [alg, changed(victim, { header: { alg } }), 'algorithm'])
    },
  },
  {
    title: 'keys that the token brings along, or points to (RFC 8725 §3.10)',
    attacks: (victim) => {
      const jwk = asJwk(mallorys.publicKey, { kid: victim.key.kid, alg: 'ES256' })
      const url = 'http://127.0.0.1:9/keys.json'
      const reason = victim.key.alg === 'ES256' ? 'signature' : 'algorithm'
      const headers: [string, Change][] = [
        ['nothing but a name', {}],
        ['jwk', { jwk }],
        ['jku', { jku: url }],
        ['x5u', { x5u: url }],
        ['x5c', { x5c: ['MIIB'] }],
        ['all', { jwk, jku: url, x5u: url, x5c: ['MIIB'] }],
      ]
      return headers.flatMap(([name, header]): Attack[] => [
        [name, forgedBy(victim, header), reason],
        [`${name}, and a kid of its own`, forgedBy(victim, { ...header, kid: 'mallory' }), 'key'],
      ])
    },
  },
  {
    title: 'kids that are paths, queries, prototypes, or nothing (RFC 8725 §3.10)',
    attacks: (victim) => {
      const { kid } = victim.key
      const unknown = ['../../dev/null', "' or 1=1 --", '__proto__', 'constructor', `${kid}\0`, '\0', '\r\nx: y', '*']
      const names = [...unknown, '%', '$1', 'http://127.0.0.1:9/', `${kid} `, 'k'.repeat(256)]
      const wrong = ['', undefined, null, 1, [kid], { kid }, true, 'k'.repeat(257), 'k'.repeat(5_000)]
      return [
        ...names.map((name): Attack => [JSON.stringify(name), changed(victim, { header: { kid: name } }), 'key']),
        ...wrong.map((name): Attack => [`${typeof name}`, changed(victim, { header: { kid: name } }), 'header']),
      ]
    },
  },
  {
    title: 'another kind of token (RFC 8725 §3.11, §2.8, RFC 9068 §4)',
    ours: true,
    attacks: (victim) => {
      const kinds = ['JWT', 'jwt', 'at+jwt ', ' at+jwt', 'at + jwt', 'id+jwt', 'secevent+jwt', 'application/jwt', '']
      const others = [...kinds, 'tenantry-revocations+jwt', 'text/at+jwt', 'application/application/at+jwt']
      return [...others, null, undefined, ['at+jwt'], 1].map(
        (typ): Attack => [JSON.stringify(typ) ?? 'none', changed(victim, { header: { typ } }), 'type'],
      )
    },
  },
  {
    title: 'kinds of token that nobody exchanges (RFC 8725 §2.8)',
    attacks: (victim) =>
      ['logout+jwt', 'secevent+jwt', 'dpop+jwt', 'JWE', '', null, 1].map(
        (typ): Attack => [JSON.stringify(typ), changed(victim, { header: { typ } }), 'type'],
      ),
  },
  {
    title: 'critical extensions, even an empty list of them (RFC 7515 §4.1.11, RFC 7797)',
    attacks: (victim) => {
      const lists = [['b64'], ['exp'], ['alg'], [], null, 'b64', {}]
      const { header, payload, signature } = partsOf(victim)
      const raw = Buffer.from(payload, 'base64url').toString()
      return [
        ...lists.map((crit): Attack => {
          return [JSON.stringify(crit), changed(victim, { header: { crit, b64: true } }), 'header']
        }),
        ['a payload that is not encoded', `${header}.${raw}.${signature}`, 'malformed'],
      ]
    },
  },
  {
    title: 'a compressed payload (RFC 8725 §3.6)',
    attacks: (victim) => {
      const payload = deflateRawSync(JSON.stringify(victim.claims))
      return [['zip', signedText(victim.key, JSON.stringify({ ...victim.header, zip: 'DEF' }), payload), 'payload']]
    },
  },
  {
    title: 'something else than a signed token in three parts (RFC 7519 §7.2, RFC 8725 §2.7)',
    attacks: (victim) => {
      const { header, payload, signature, good } = partsOf(victim)
      const jwe = `${encode('{"alg":"dir","enc":"A256GCM"}')}..${encode('iv')}.${encode('text')}.${encode('tag')}`
      const forms: [string, string][] = [
        ['a JWE', jwe],
        ['a JWE in three parts', `${encode('{"alg":"dir","enc":"A256GCM"}')}..${encode('iv')}`],
        ['flattened JSON', JSON.stringify({ protected: header, payload, signature })],
        ['general JSON', JSON.stringify({ payload, signatures: [{ protected: header, signature }] })],
        ...['', '.', '..', '...', header, `${header}.${payload}`, `${good}.`, `.${good}`].map(
          (form): [string, string] => [`as ${form.length} characters`, form],
        ),
        ['four parts', `${good}.${signature}`],
        ['no payload', `${header}..${signature}`],
        ['no header', `.${payload}.${signature}`],
        ['no signature', `${header}.${payload}.`],
        ['twice', `${good}${good}`],
        ['cut in half', good.slice(0, good.length / 2)],
        ['percent-encoded', good.replaceAll('.', '%2E')],
      ]
      return forms.map(([name, form]): Attack => [name, form, 'malformed'])
    },
  },
  {
    title: 'one signature in many spellings (RFC 7515 §2, RFC 4648 §3.5)',
    attacks: (victim) => {
      const { header, payload, signature, good } = partsOf(victim)
      const noise = ['=', '==', ' ', '\n', '\t', '\r\n', '%3D', '\0', '\u00e9', '\u0141', '+', '/']
      const spelt = noise.flatMap((extra): [string, string][] => {
        const middle = `${signature.slice(0, 20)}${extra}${signature.slice(20)}`
        const forms = [signature + extra, extra + signature, middle]
        return forms.map((form) => [JSON.stringify(extra), `${header}.${payload}.${form}`])
      })
      const last = ALPHABET.indexOf(signature.at(-1) ?? '')
      const otherBits = `${good.slice(0, -1)}${ALPHABET[last ^ 1]}`
      const everywhere: [string, string][] = [
        ['a space before it', ` ${good}`],
        ['a line end after it', `${good}\n`],
        ['a padded header', `${header}=.${payload}.${signature}`],
        ['a padded payload', `${header}.${payload}=.${signature}`],
      ]
      const bits: [string, string][] = signature.length % 4 === 0 ? [] : [['unused bits of the last one', otherBits]]
      return [...spelt, ...everywhere, ...bits].map(([name, token]): Attack => [name, token, 'malformed'])
    },
  },
  {
    title: 'signatures that are none (RFC 8725 §3.3, §3.4)',
    attacks: (victim) => {
      const { header, payload } = partsOf(victim)
      const signature = signatureOf(victim.key, `${header}.${payload}`)
      const half = signature.length / 2
      const forms: [string, Buffer][] = [
        ['zeros', Buffer.alloc(signature.length)],
        ['cut off', signature.subarray(1)],
        ['half of it', signature.subarray(0, half)],
        ['one byte more', Buffer.concat([signature, Buffer.alloc(1)])],
        ['one byte more before it', Buffer.concat([Buffer.alloc(1), signature])],
        ['a single byte', Buffer.alloc(1)],
        ['a bit turned', Buffer.concat([signature.subarray(0, -1), Buffer.of((signature.at(-1) ?? 0) ^ 1)])],
        ['that of other claims', Buffer.from(changed(victim, { claims: { x: 1 } }).split('.')[2] ?? '', 'base64url')],
        ...(victim.key.alg === 'ES256' ? bentEcdsa(signature) : []),
      ]
      return forms.map(([name, bytes]): Attack => [name, `${header}.${payload}.${encode(bytes)}`, 'signature'])
    },
  },
  {
    title: 'claims exchanged under a signature (RFC 8725 §2.1)',
    attacks: (victim) => {
      const { header, signature } = partsOf(victim)
      const changes: [string, Change][] = [
        ['another user', { sub: 'somebody-else' }],
        ['another tenant', { tenant_id: '01987c2e-7b1a-7000-8000-0000000000ff' }],
        ['a longer life', { exp: Number(victim.claims.iat) + 86_400 }],
        ['more roles', { roles: ['owner'], grants: [{ permissions: ['*', 'tenantry.*'], excludes: [] }] }],
        ['a higher revision', { rev: { platform: 1_000_000 } }],
      ]
      return changes.map(([name, claims]): Attack => {
        return [name, `${header}.${encode(JSON.stringify({ ...victim.claims, ...claims }))}.${signature}`, 'signature']
      })
    },
  },
  {
    title: 'a member written twice, on any level and however it is spelt (RFC 7519 §4, RFC 7515 §4)',
    attacks: (victim) => {
      const header = JSON.stringify(victim.header)
      const claims = JSON.stringify(victim.claims)
      const before = (member: string, text: string) => `{${member},${text.slice(1)}`
      const payloads = [
        '"sub":"x"',
        '"s\\u0075b":"x"',
        '"exp":1',
        '"iss":"x"',
        '"aud":"x"',
        '"a":{"b":1,"b":1}',
      ].concat(['"a":[[{"b":{"c":1},"b":2}]]', '"__proto__":1,"__proto__":2', '"":1,"":1', '"a":{"x":{"y":1}},"a":{}'])
      const headers = ['"alg":"none"', '"kid":"x"', '"typ":"x"', '"\\u0061lg":"none"']
      return [
        ...payloads.map((member): Attack => {
          return [member, signedText(victim.key, header, before(member, claims)), 'payload']
        }),
        ...headers.map((member): Attack => {
          return [`header: ${member}`, signedText(victim.key, before(member, header), claims), 'header']
        }),
      ]
    },
  },
  {
    title: 'what is no JSON object in UTF-8 (RFC 8725 §2.6, §3.7)',
    attacks: (victim) => {
      const header = JSON.stringify(victim.header)
      const claims = JSON.stringify(victim.claims)
      const texts = ['null', '[]', '"x"', '1', 'true', '{', '{}x', "{'a':1}", '{"a":1,}', '{"a":NaN}'].concat([
        `${claims} x`,
        `\ufeff${claims}`,
        `[${claims}]`,
        `${claims}${claims}`,
      ])
      const notUtf8 = Buffer.concat([Buffer.from(`${claims.slice(0, -1)},"x":"`), Buffer.of(0xff), Buffer.from('"}')])
      return [
        ...texts.map((text): Attack => [text.slice(0, 20), signedText(victim.key, header, text), 'payload']),
        ...texts
          .filter((text) => !text.includes(claims))
          .map((text): Attack => [`header: ${text}`, signedText(victim.key, text, claims), 'header']),
        ['a byte that is not UTF-8', signedText(victim.key, header, notUtf8), 'payload'],
        ['UTF-16', signedText(victim.key, header, Buffer.from(claims, 'utf16le')), 'payload'],
      ]
    },
  },
  {
    title: 'inherited members, which are no claims',
    attacks: (victim) => {
      const header = JSON.stringify(victim.header)
      const claims = JSON.stringify(victim.claims)
      const wrapped = ['__proto__', 'constructor', 'prototype'].map((name): Attack => {
        return [name, signedText(victim.key, header, `{"${name}":${claims}}`), 'claims']
      })
      return [
        ...wrapped,
        ['a header that is one', signedText(victim.key, `{"__proto__":${header}}`, claims), 'algorithm'],
      ]
    },
  },
  {
    title: 'another issuer (RFC 8725 §3.8, RFC 7519 §4.1.1)',
    attacks: (victim) => {
      const { iss } = victim.claims
      return [
        ...withClaims(victim, 'issuer', [
          ['somebody else', { iss: 'https://evil.example.com' }],
          ['a slash more', { iss: `${iss}/` }],
          ['upper case', { iss: iss.toUpperCase() }],
          ['one that begins like it', { iss: `${iss}.evil.example` }],
          ['a space more', { iss: `${iss} ` }],
        ]),
        ...withClaims(victim, 'claims', [
          ['none', { iss: undefined }],
          ['nothing', { iss: '' }],
          ['a list', { iss: [iss] }],
          ['an object', { iss: { iss } }],
        ]),
      ]
    },
  },
  {
    title: 'another audience (RFC 8725 §3.9, RFC 7519 §4.1.3)',
    attacks: (victim) => {
      const { aud } = victim.claims
      return [
        ...withClaims(victim, 'audience', [
          ['somebody else', { aud: 'https://other.example.com' }],
          ['one that begins like ours', { aud: `${aud}/v1` }],
          ['a slash more', { aud: `${aud}/` }],
          ['upper case', { aud: aud.toUpperCase() }],
          ['others', { aud: ['https://other.example.com', `${aud}x`] }],
          ['in one text with another', { aud: `${aud} https://other.example.com` }],
        ]),
        ...withClaims(victim, 'claims', [
          ['none', { aud: undefined }],
          ['nothing', { aud: '' }],
          ['null', { aud: null }],
          ['an empty list', { aud: [] }],
          ['a list in a list', { aud: [[aud]] }],
          ['a number beside it', { aud: [aud, 1] }],
          ['an object', { aud: { [aud]: true } }],
        ]),
      ]
    },
  },
  {
    title: 'times that are over, not there yet, or none (RFC 7519 §4.1.4–§4.1.6)',
    attacks: (victim) => {
      const { iat } = victim.claims
      const end = iat + 300
      const infinite = JSON.stringify({ ...victim.claims, exp: 0 }).replace('"exp":0', '"exp":1e400')
      return [
        ...withClaims(victim, 'expired', [
          ['over at this very second', { exp: iat }],
          ['over since a second', { exp: iat - 1 }],
          ['over since 1970', { exp: 1 }],
        ]),
        ...withClaims(victim, 'not_yet_valid', [
          ['a beginning two minutes ahead', { nbf: iat + 120 }],
          ['a beginning at the end of time', { nbf: Number.MAX_SAFE_INTEGER }],
        ]),
        ...withClaims(victim, 'claims', [
          ['no end', { exp: undefined }],
          ['null as the end', { exp: null }],
          ['a text as the end', { exp: `${end}` }],
          ['a list as the end', { exp: [end] }],
          ['an object as the end', { exp: { valueOf: end } }],
          ['true as the end', { exp: true }],
          ['zero as the end', { exp: 0 }],
          ['a negative end', { exp: -end }],
          ['a text as the beginning', { nbf: `${iat}` }],
          ['null as the beginning', { nbf: null }],
          ['a negative beginning', { nbf: -1 }],
          ['no instant of issue', { iat: undefined }],
          ['a text as the instant of issue', { iat: `${iat}` }],
          ['a negative instant of issue', { iat: -1 }],
        ]),
        ['an infinite end', signedText(victim.key, JSON.stringify(victim.header), infinite), 'claims'],
      ]
    },
  },
  {
    title: 'times that others may write, and we do not (RFC 7519 §2)',
    ours: true,
    attacks: (victim) =>
      withClaims(victim, 'claims', [
        ['an end with a fraction', { exp: victim.claims.iat + 300.5 }],
        ['an instant of issue with a fraction', { iat: victim.claims.iat + 0.5 }],
        ['an end beyond what can be counted', { exp: 2 ** 60 }],
        ['an end beyond all bounds', { exp: 1e308 }],
      ]),
  },
  {
    title: 'a token that is too long to be read',
    attacks: (victim) => [
      ['a megabyte', changed(victim, { claims: { note: 'x'.repeat(1_000_000) } }), 'malformed'],
      ['a megabyte of header', changed(victim, { header: { note: 'x'.repeat(1_000_000) } }), 'malformed'],
      ['a byte too much', 'x'.repeat(16_385), 'malformed'],
    ],
  },
]
