// A credential's rights are read before a history's lock is taken. Somebody who was demoted, or a key that was revoked,
// while the request waited for the lock must not act with the rights it had: they are checked once more under it.
import { sql } from 'drizzle-orm'
import { History } from '../database/history.ts'
import { catalogues, PLATFORM } from '../database/schema.ts'
import type { Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import { type ApiKeyPrincipal, type MemberPrincipal, mayDo } from '../http/principal.ts'
import type { By } from '../http/write.ts'
import { statusOf } from '../memberships/rules.ts'
import { ASSIGN_ANY } from './escalation.ts'
import { isRevoked, readFactsOfBearerWithin } from './facts.ts'

/** @throws Problem `principal.changed` */
export const requireUnchanged = async (tx: Tx, { principal, now }: By): Promise<void> => {
  const unchanged =
    principal.kind === 'membership' ? await holdsSame(tx, principal, now) : await isThere(tx, principal, now)
  if (!unchanged) throw new Problem('principal.changed')
}

/** Takes the platform's lock, as `lockTenant` does a tenant's. @throws Problem `principal.changed` */
export const lockPlatform = async (tx: Tx, by: By): Promise<History> => {
  const history = await History.lockPlatform(tx)
  await requireUnchanged(tx, by)
  return history
}

const holdsSame = async (tx: Tx, { token, rights, ends_at }: MemberPrincipal, now: Date): Promise<boolean> => {
  const found = await readFactsOfBearerWithin(tx, token, now)
  const member = found.facts?.membership
  if (!member || statusOf(member, now) !== 'active' || isRevoked(found)) return false
  return member.expires_at === ends_at && JSON.stringify(member.roles) === JSON.stringify(rights[0])
}

/** What an API key names never changes: it is there, over or revoked. What its wildcards reach, the catalogue may change. */
const isThere = async (tx: Tx, principal: ApiKeyPrincipal, now: Date): Promise<boolean> => {
  const { tenant_id, id, by_name } = principal
  const [row] = await tx
    .select({
      holds: sql<boolean>`tenantry.holds_api_key(${tenant_id ?? PLATFORM}, ${id}, ${now.toISOString()})`,
      by_name: sql<string[] | null>`(select ${catalogues.by_name} from ${catalogues})`,
    })
    .from(sql`(values (1)) as one`)
  const isSame = mayDo(principal, ASSIGN_ANY) || JSON.stringify(row?.by_name ?? []) === JSON.stringify(by_name)
  return row?.holds === true && isSame
}
