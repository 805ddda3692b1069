// What lies between an access file and a running service. Pure: `steps.ts` carries it out, `words.ts` tells it.
import { BUILT_IN_ROLES } from '@tenantry/client'
import {
  type Access,
  FIELDS,
  LISTS,
  type ListSection,
  NAMED_BY,
  type PermissionForm,
  type RoleForm,
  type Section,
} from './form.ts'
import type { Present } from './present.ts'

export interface Difference {
  field: string
  from: unknown
  to: unknown
}

/**
 * `replace`: what it should be it cannot become, so that another takes its place. `reset`: a built-in role that the file
 * does not name, back to what is built in.
 */
export type Action = 'add' | 'change' | 'replace' | 'remove' | 'reset'

export interface Change {
  section: Section
  key: string
  action: Action
  /** Of what is added, all that it has. */
  differences: Difference[]
  /** What the file says; undefined for what goes. */
  wanted: object | undefined
  /** What is there; undefined for what comes. */
  present: Item | undefined
}

export interface Item {
  id: string
  revision: number
}

/** Takes something away that was made outside the file, or that somebody may be using. */
export const isDestructive = ({ section, action }: Pick<Change, 'section' | 'action'>): boolean =>
  // Nobody loses anything by what the catalogue no longer tells: roles go on naming it.
  section !== 'catalogue' && (action === 'replace' || action === 'remove' || action === 'reset')

/** Every change that the service needs to be as the sections of the file say. */
export const changesBetween = (access: Access, present: Present): Change[] => [
  ...(access.catalogue ? changesOfCatalogue(access.catalogue, present.catalogue) : []),
  ...LISTS.flatMap((section) => {
    const wanted = access[section]
    return wanted === undefined ? [] : changesOfList(section, wanted, present[section])
  }),
]

const changesOfCatalogue = (wanted: NonNullable<Access['catalogue']>, present: Present['catalogue']): Change[] => {
  const before = new Map(present.permissions.map((entry) => [entry.key, entry]))
  const change = (key: string, action: Action, differences: Difference[]): Change => ({
    ...{ section: 'catalogue', key, action, differences, wanted: undefined, present: undefined },
  })
  const strict = present.strict === wanted.strict ? [] : [{ field: 'strict', from: present.strict, to: wanted.strict }]
  const gone = present.permissions.filter(({ key }) => !wanted.permissions.some((entry) => entry.key === key))
  return [
    ...(strict.length > 0 ? [change('(all)', 'change', strict)] : []),
    ...wanted.permissions.flatMap((entry) => {
      const differences = differencesOf(PERMISSION_FIELDS, before.get(entry.key), entry)
      if (differences.length === 0 && before.has(entry.key)) return []
      return [change(entry.key, before.has(entry.key) ? 'change' : 'add', differences)]
    }),
    ...gone.map(({ key }) => change(key, 'remove', [])),
  ]
}

const PERMISSION_FIELDS: readonly (keyof PermissionForm)[] = ['description', 'wildcard', 'acr', 'max_age']

type Fields = Record<string, unknown>

const changesOfList = (
  section: ListSection,
  wanted: readonly object[],
  present: readonly (Item & object)[],
): Change[] => {
  const name = NAMED_BY[section]
  const nameOf = (entry: object): string => String((entry as Fields)[name])
  const pairs = wanted.map((entry) => ({
    entry,
    found: bestOf(
      section,
      entry,
      present.filter((it) => nameOf(it) === nameOf(entry)),
    ),
  }))
  const taken = new Set(pairs.map(({ found }) => found))
  const more = present.filter((item) => !taken.has(item))
  return [
    ...pairs.flatMap(({ entry, found }) => {
      const differences = differencesOf(fieldsOf(section), found, entry)
      if (found && differences.length === 0) return []
      const change = { section, key: nameOf(entry), differences, wanted: entry, present: found }
      return [{ ...change, action: found ? actionOf(section, differences) : ('add' as const) }]
    }),
    ...more.flatMap((item) => surplus(section, nameOf(item), item)),
  ]
}

/** Names of API keys need not be unique: the one that is as it should be, else the newest. */
const bestOf = <T extends object>(section: ListSection, wanted: object, found: readonly T[]): T | undefined =>
  found.findLast((item) => differencesOf(fieldsOf(section), item, wanted).length === 0) ?? found.at(-1)

const fieldsOf = (section: ListSection): readonly string[] =>
  FIELDS[section].filter((each) => each !== NAMED_BY[section])

/** What never changes: another has to come in its place. */
const FIXED: Partial<Record<ListSection, readonly string[]>> = {
  issuers: ['user_id_claim', 'user_id_prefix'],
  api_keys: ['permissions', 'excludes', 'expires_at'],
}

const actionOf = (section: ListSection, differences: readonly Difference[]): Action =>
  differences.some(({ field }) => FIXED[section]?.includes(field)) ? 'replace' : 'change'

const surplus = (section: ListSection, key: string, present: Item & object): Change[] => {
  const change = { section, key, present }
  if (section !== 'roles' || !(present as { built_in?: boolean }).built_in) {
    return [{ ...change, action: 'remove', differences: [], wanted: undefined }]
  }
  const wanted = builtIn(key)
  const differences = wanted ? differencesOf(fieldsOf('roles'), present, wanted) : []
  return differences.length === 0 ? [] : [{ ...change, action: 'reset', differences, wanted }]
}

const builtIn = (key: string): RoleForm | undefined => {
  const role = BUILT_IN_ROLES.find((each) => each.key === key)
  if (!role) return undefined
  const { name, description, permissions, excludes } = role
  return { key, name, description, permissions: [...permissions], excludes: [...excludes] }
}

const differencesOf = (fields: readonly string[], before: object | undefined, after: object): Difference[] =>
  fields
    .map((field) => ({
      field,
      from: (before as Fields | undefined)?.[field] ?? null,
      to: (after as Fields)[field] ?? null,
    }))
    .filter(({ field, from, to }) => !isAlike(field, from, to))

/** Lists of the contract are sets: their order means nothing. */
const isAlike = (field: string, from: unknown, to: unknown): boolean => {
  if (field === 'expires_at' && typeof from === 'string' && typeof to === 'string') {
    return Date.parse(from) === Date.parse(to)
  }
  if (Array.isArray(from) && Array.isArray(to)) {
    return from.length === to.length && from.every((each) => to.includes(each))
  }
  return from === to
}
