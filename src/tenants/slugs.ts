// What a slug may be, and how one is made from a name. A slug is for display and addresses; ids identify.
import { randomInt } from 'node:crypto'
import slugify from '@sindresorhus/slugify'

/** Words that products and hosts use themselves, as subdomains or first path segments. */
const RESERVED = new Set(
  `about abuse account accounts admin administrator api app apps assets auth billing blog cdn chat console dashboard demo dev
  docs download email errors events false ftp git health help hostmaster imap internal js localhost login logout mail me metrics
  mx new news ns ns1 ns2 null oauth oidc openid platform pop pop3 postmaster pricing privacy prod production public register
  root saml scim security settings signin signup smtp sso staging static status support system tenant tenantry tenants terms
  test tests token tokens true undefined user users webhook webhooks webmaster well-known wpad www www1 www2`.split(
    /\s+/,
  ),
)

export const isReserved = (slug: string): boolean => RESERVED.has(slug)

const LONGEST_BASE = 50 // leaves room for a suffix within the 63 of a DNS label
const SUFFIX_LENGTH = 6
const SUFFIX_ALPHABET = '23456789abcdefghjkmnpqrstuvwxyz' // nothing that looks like something else

const suffix = (): string =>
  Array.from({ length: SUFFIX_LENGTH }, () => SUFFIX_ALPHABET[randomInt(SUFFIX_ALPHABET.length)]).join('')

/** Slugs to try for a name, best first: `acme`, then `acme-x7k2mq` and others like it. */
export function* slugCandidates(name: string): Generator<string> {
  // The third and fourth place belong to internationalised names ("xn--"), so no double hyphen.
  const base = slugify(name, { decamelize: false })
    .slice(0, LONGEST_BASE)
    .replaceAll(/-{2,}/g, '-')
    .replaceAll(/^-+|-+$/g, '')
  if (base !== '' && !isReserved(base)) yield base
  for (;;) yield `${base === '' ? 'tenant' : base}-${suffix()}`
}
