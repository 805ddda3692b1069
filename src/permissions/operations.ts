// The catalogue of the product's permissions: the platform's, in the platform's history.
import { isReserved } from '@tenantry/client'
import type { components } from '@tenantry/client/contract'
import { requireWithinOwn } from '../authorization/escalation.ts'
import { lockPlatform } from '../authorization/recheck.ts'
import type { History } from '../database/history.ts'
import type { CatalogueEntry } from '../database/schema.ts'
import type { Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import { requireMatch } from '../http/preconditions.ts'
import type { By } from '../http/write.ts'
import { TENANT } from '../revocations/targets.ts'
import { isSame } from '../same.ts'
import { type CatalogueRow, findCatalogue, upsertCatalogue } from './queries.ts'

export { type CatalogueRow, findCatalogue } from './queries.ts'

type CatalogueReplace = components['schemas']['CatalogueReplace']

export const replaceCatalogue = async (
  tx: Tx,
  by: By,
  ifMatch: string | undefined,
  { permissions: given, strict = false }: CatalogueReplace,
): Promise<{ catalogue: CatalogueRow; history: History }> => {
  requireOwnWords(given)
  const history = await lockPlatform(tx, by)
  const before = await findCatalogue(tx)
  requireMatch(ifMatch, before.revision)
  const permissions = given.map(entryOf)
  if (isSame({ ...before }, { permissions, strict })) return { catalogue: before, history }
  const keys = permissions.map(({ key }) => key)
  const by_name = permissions.filter(({ wildcard }) => !wildcard).map(({ key }) => key)
  const taken = without(by_name, before.by_name)
  requireWithinOwn(by.principal, [{ permissions: [...taken, ...without(before.by_name, by_name)], excludes: [] }])
  const tightened = tightenedIn(before.permissions, permissions)
  const at = { revision: history.next, updated_at: by.now.toISOString() }
  const catalogue = { permissions, keys, by_name, strict, ...at }
  await upsertCatalogue(tx, catalogue)
  await history.append(tx, {
    ...{ type: 'catalogue.replaced', actor: by.actor, at: by.now },
    data: {
      added: without(keys, before.keys),
      removed: without(before.keys, keys),
      by_name,
      step_up: demandingIn(permissions),
      strict,
    },
    // By wildcards anybody may have held it, in any tenant, also an API key and a narrowed token.
    revokes: taken.length > 0 || tightened.length > 0 ? [TENANT] : [],
  })
  return { catalogue, history }
}

const demandingIn = (permissions: readonly CatalogueEntry[]): string[] =>
  permissions.filter(({ acr, max_age }) => acr !== null || max_age !== null).map(({ key }) => key)

/** The permissions for which a login may no longer do that did. */
const tightenedIn = (before: readonly CatalogueEntry[], after: readonly CatalogueEntry[]): string[] => {
  const known = new Map(before.map((entry) => [entry.key, entry]))
  return demandingIn(after.filter((entry) => !isMetWhere(known.get(entry.key), entry)))
}

/** Whether every login that met the demands before meets these as well. */
const isMetWhere = (before: CatalogueEntry | undefined, { acr, max_age }: CatalogueEntry): boolean => {
  const isAsOld = max_age === null || (before?.max_age != null && before.max_age <= max_age)
  return isAsOld && (acr === null || before?.acr === acr)
}

const entryOf = ({
  key,
  description = '',
  wildcard = true,
  acr = null,
  max_age = null,
}: CatalogueReplace['permissions'][number]): CatalogueEntry => ({ key, description, wildcard, acr, max_age })

/** @throws Problem `permission.invalid` for a key of Tenantry's own, or one that stands there twice */
const requireOwnWords = (permissions: { key: string }[]): void => {
  const seen = new Set<string>()
  const errors = permissions.flatMap(({ key }, index) => {
    const isTwice = seen.has(key)
    seen.add(key)
    const pointer = `/permissions/${index}/key`
    if (isReserved(key.split(':', 1)[0] ?? '')) return [{ pointer, detail: `"${key}" is in Tenantry's own namespace.` }]
    return isTwice ? [{ pointer, detail: `"${key}" is there twice.` }] : []
  })
  if (errors.length > 0) throw new Problem('permission.invalid', { errors })
}

const without = (some: readonly string[], others: readonly string[]): string[] => {
  const left_out = new Set(others)
  return some.filter((each) => !left_out.has(each))
}
