// The one rule against escalation. Whoever acts on somebody's rights must hold them: what is given, AND what the one
// acted upon already held, lie within the actor's own current rights; and what is given ends when the actor's rights do.
// Covers memberships, roles, API keys, suspension and removal. Containment of patterns is decided symbolically
// (@tenantry/client).
import { contains, firstOutside, type Grant } from '@tenantry/client'
import { Problem } from '../errors.ts'
import { endsEarlier } from '../expiry.ts'
import { mayDo, type Principal } from '../http/principal.ts'
import { effective } from '../permissions/by-name.ts'

/** Provisioning keys may hold this, by name only; it lifts the rule. */
export const ASSIGN_ANY = 'tenantry.role:assign_any'

/** What is given, or given anew. @throws Problem `role.exceeds_own`, naming one permission that is beyond the actor */
export const requireWithinOwn = (actor: Principal, given: readonly Grant[]): void => {
  if (mayDo(actor, ASSIGN_ANY)) return
  for (const own of actor.rights) {
    const beyond = firstOutside(asCatalogued(actor, own), asCatalogued(actor, given))
    if (beyond === undefined) continue
    throw new Problem('role.exceeds_own', {
      detail: `This concerns the permission ${beyond}, which you do not have yourself.`,
    })
  }
}

/**
 * What the one acted upon holds already. A permission that goes by name only makes nobody untouchable: he may have got it while
 * wildcards still reached it, and then not even an owner could take it from him.
 * @throws Problem `role.exceeds_own`
 */
export const requireMayActOn = (actor: Principal, held: readonly Grant[]): void => {
  const by_name = new Set(actor.by_name)
  const touchable = held.map((grant) => ({
    ...grant,
    permissions: grant.permissions.filter((permission) => !by_name.has(permission)),
  }))
  requireWithinOwn(actor, touchable)
}

const asCatalogued = ({ by_name }: Principal, grants: readonly Grant[]): Grant[] =>
  grants.map((grant) => effective(grant, by_name))

interface Access {
  expires_at: string | null
  roles: readonly Grant[]
}

/** Whether the actor, or some of the actor's rights, are there for a time only. */
const isForATime = ({ ends_at, rights }: Principal): boolean =>
  ends_at !== null || rights.some((own) => own.some(({ expires_at = null }) => expires_at !== null))

/** Whether somebody whose own rights end gives more than there was. Whoever has no end need not ask. */
export const givesForATime = (actor: Principal, before: readonly Grant[], after: readonly Grant[]): boolean =>
  isForATime(actor) && !contains(asCatalogued(actor, before), asCatalogued(actor, after))

/** A change of somebody's access, where it gives more rights or a later end. @throws Problem `role.exceeds_own` */
export const requireEndWithinOwnIfGiving = (actor: Principal, before: Access, after: Access): void => {
  if (endsEarlier(after, before) || givesForATime(actor, before.roles, after.roles)) {
    requireEndWithinOwn(actor, after.expires_at, after.roles)
  }
}

/**
 * Rights for a time would otherwise make themselves last. What is given until some time lies within those of the actor's
 * rights that last as long.
 * @throws Problem `role.exceeds_own`, naming the latest end that the actor may give
 */
export const requireEndWithinOwn = (
  actor: Principal,
  expires_at: string | null | undefined,
  given: readonly Grant[],
): void => {
  if (!isForATime(actor) || mayDo(actor, ASSIGN_ANY)) return
  const end = expires_at ?? null
  if (!lastsUntil(actor.ends_at, end)) refuse(`Your own rights end at ${new Date(actor.ends_at ?? 0).toISOString()}`)
  for (const own of actor.rights) {
    const lasting = own.filter((right) => lastsUntil(right.expires_at ?? null, end))
    if (lasting.length === own.length) continue
    const beyond = firstOutside(asCatalogued(actor, lasting), asCatalogued(actor, given))
    if (beyond !== undefined) refuse(`You have the permission ${beyond} for a shorter time`)
  }
}

const lastsUntil = (own: string | null, end: string | null): boolean =>
  own === null || (end !== null && new Date(end) <= new Date(own))

const refuse = (why: string): never => {
  const detail = `${why}, and what you give ends no later.`
  throw new Problem('role.exceeds_own', { detail, errors: [{ pointer: '/expires_at', detail }] })
}
