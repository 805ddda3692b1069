// The one rule against escalation. Whoever acts on somebody's rights must hold them: what is given, AND what the one
// acted upon already held, lie within the actor's own current rights; and what is given ends when the actor's rights do.
// Covers memberships, roles, API keys, suspension and removal. Containment of patterns is decided symbolically
// (@tenantry/client).
import { firstOutside, type Grant } from '@tenantry/client'
import { Problem } from '../errors.ts'
import { mayDo, type Principal } from '../http/principal.ts'

/** Provisioning keys may hold this, by name only; it lifts the rule. */
export const ASSIGN_ANY = 'tenantry.role:assign_any'

/** @throws Problem `role.exceeds_own`, naming one permission that is beyond the actor */
export const requireWithinOwn = (actor: Principal, ...concerned: (readonly Grant[])[]): void => {
  if (mayDo(actor, ASSIGN_ANY)) return
  for (const grants of concerned) {
    for (const own of actor.rights) {
      const beyond = firstOutside(own, grants)
      if (beyond === undefined) continue
      throw new Problem('role.exceeds_own', {
        detail: `This concerns the permission ${beyond}, which you do not have yourself.`,
      })
    }
  }
}

/**
 * Rights for a time would otherwise make themselves last.
 * @throws Problem `role.exceeds_own`, naming the latest end that the actor may give
 */
export const requireEndWithinOwn = (actor: Principal, expires_at: string | null | undefined): void => {
  const { ends_at } = actor
  if (ends_at === null || mayDo(actor, ASSIGN_ANY)) return
  const latest = new Date(ends_at)
  if (typeof expires_at === 'string' && new Date(expires_at) <= latest) return
  const detail = `Your own rights end at ${latest.toISOString()}, and what you give ends no later.`
  throw new Problem('role.exceeds_own', { detail, errors: [{ pointer: '/expires_at', detail }] })
}
