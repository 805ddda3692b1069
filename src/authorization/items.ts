// The items of a batch (AuthZEN 1.0, Access Evaluations), with the defaults added. Pure; authorization asks it too, so that
// whom an item is about is read in one way only.

type Fields = { [name: string]: unknown }

/** The entities of a check, and what names each. */
const ENTITIES: Record<string, readonly string[]> = {
  subject: ['type', 'id'],
  action: ['name'],
  resource: ['type', 'id'],
}

/** What a batch asks, in order; without items it is itself the one check. */
export const itemsOf = (batch: Fields): unknown[] => {
  const { evaluations } = batch
  if (!Array.isArray(evaluations) || evaluations.length === 0) return [batch]
  return evaluations.map((item) => (isObject(item) ? withDefaults(item, batch) : item))
}

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The item's own replace the defaults whole: of those, only what names an entity is taken where the item leaves it out. */
const withDefaults = (item: Fields, defaults: Fields): Fields => ({
  ...item,
  ...Object.fromEntries(
    Object.entries(ENTITIES).map(([entity, names]) => [entity, named(item[entity], defaults[entity], names)]),
  ),
  context: item.context === undefined ? defaults.context : item.context,
})

const named = (own: unknown, fallback: unknown, names: readonly string[]): unknown => {
  if (own === undefined) return fallback
  if (!isObject(own) || !isObject(fallback)) return own
  const missing = names.filter((name) => own[name] === undefined && fallback[name] !== undefined)
  return missing.length === 0 ? own : { ...own, ...Object.fromEntries(missing.map((name) => [name, fallback[name]])) }
}
