// The running service in the form of an access file: applied to that service, it changes nothing.
import { stringify } from 'yaml'
import { changesBetween } from './differences.ts'
import { type Access, briefly, brieflyPermission, type IssuerForm, LISTS, NAMED_BY, type Section } from './form.ts'
import type { Present } from './present.ts'

/** What `apply` would find nothing to do for, as plain data; never a secret, which the service does not know. */
export const formOf = (present: Present, sections: readonly Section[]): Record<string, unknown> => {
  const changed = namesOfChangedRoles(present)
  const kept: Present = {
    ...present,
    roles: present.roles.filter(({ built_in, key }) => !built_in || changed.has(key)),
    api_keys: newestOfEach(present.api_keys),
  }
  const { permissions, strict } = present.catalogue
  return {
    version: 1,
    ...(sections.includes('catalogue') && { catalogue: { strict, permissions: permissions.map(brieflyPermission) } }),
    ...Object.fromEntries(
      LISTS.filter((section) => sections.includes(section)).map((section) => [section, listOf(section, kept)]),
    ),
  }
}

/** Built-in roles that are not as they were built in. */
const namesOfChangedRoles = (present: Present): Set<string> => {
  const none: Access = { roles: [] }
  return new Set(changesBetween(none, present).flatMap(({ key, action }) => (action === 'reset' ? [key] : [])))
}

/** A file names each once. */
const newestOfEach = <K extends { name: string }>(keys: readonly K[]): K[] => [
  ...new Map(keys.map((key) => [key.name, key])).values(),
]

export const namesHeldTwice = ({ api_keys }: Present): string[] => {
  const names = api_keys.map(({ name }) => name)
  return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))]
}

const listOf = (section: (typeof LISTS)[number], present: Present): Record<string, unknown>[] => {
  const nameOf = (entry: object): string => String((entry as Record<string, unknown>)[NAMED_BY[section]])
  return present[section]
    .toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
    .map((entry, _, all) => ({
      ...briefly(section, entry),
      ...(section === 'issuers' &&
        sharesPrefix(entry as IssuerForm, all as unknown as IssuerForm[]) && { shares_user_ids: true }),
    }))
}

/** Somewhere else it is taken only with the word that both name the same people, as they do here. */
const sharesPrefix = ({ issuer, user_id_prefix }: IssuerForm, all: readonly IssuerForm[]): boolean =>
  all.some((other) => other.issuer !== issuer && other.user_id_prefix === user_id_prefix)

export const yamlOf = (form: Record<string, unknown>): string => stringify(form, { lineWidth: 120 })
