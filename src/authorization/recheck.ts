// A credential's rights are read before the tenant's lock is taken. Somebody who was demoted while his request waited for
// the lock must not act with the rights he had: what he may do is checked once more under it.
import { and, eq, sql } from 'drizzle-orm'
import { apiKeys } from '../database/schema.ts'
import type { Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import type { MemberPrincipal } from '../http/principal.ts'
import type { By } from '../http/write.ts'
import { statusOf } from '../memberships/rules.ts'
import type { MemberFacts } from './facts.ts'

/**
 * Platform credentials are not concerned: their rights are not decided in a tenant's history.
 * @throws Problem `principal.changed`
 */
export const requireUnchanged = async (tx: Tx, { principal, now }: By): Promise<void> => {
  if (principal.tenant_id === null) return
  const unchanged =
    principal.kind === 'membership'
      ? await holdsSameRoles(tx, principal, now)
      : await isThere(tx, principal.tenant_id, principal.id)
  if (!unchanged) throw new Problem('principal.changed')
}

const holdsSameRoles = async (tx: Tx, principal: MemberPrincipal, now: Date): Promise<boolean> => {
  const { tenant_id, id, tenant_status, rights } = principal
  const [row] = await tx
    .select({ facts: sql<MemberFacts | null>`tenantry.read_facts(${tenant_id}, null, ${id})` })
    .from(sql`(values (1)) as one`)
  const member = row?.facts?.membership
  if (!member || statusOf(member, now) !== 'active' || row.facts?.tenant.status !== tenant_status) return false
  return JSON.stringify(member.roles) === JSON.stringify(rights[0])
}

/** An API key never changes; it is there or revoked. */
const isThere = async (tx: Tx, tenant_id: string, id: string): Promise<boolean> => {
  const rows = await tx
    .select({ id: apiKeys.id })
    .from(apiKeys)
    .where(and(eq(apiKeys.history_id, tenant_id), eq(apiKeys.id, id)))
  return rows.length > 0
}
