// What a catalogue may have forgotten. Warnings refuse nothing.
import { holds } from '@tenantry/client'
import type { components } from '@tenantry/client/contract'
import type { Tx } from '../database/scope.ts'
import { findSharedRoles } from '../roles/operations.ts'
import { effective } from './by-name.ts'
import { type CatalogueRow, listNamedByTenants, listUnknownPermissions } from './queries.ts'

type Catalogue = components['schemas']['Catalogue']

const MOST_UNKNOWN = 200
const BELOW_ADMIN = ['member', 'viewer']

/** The catalogue as it is answered, warnings included. */
export const viewOf = async (tx: Tx, { keys, by_name, ...catalogue }: CatalogueRow): Promise<Catalogue> => {
  const below_admin = await findSharedRoles(tx, BELOW_ADMIN)
  const grants = below_admin.map((role) => effective(role, by_name))
  const named = by_name.length > 0 ? await listNamedByTenants(tx, by_name) : []
  const unknown = catalogue.strict ? await listUnknownPermissions(tx, keys, MOST_UNKNOWN + 1) : []
  return {
    ...catalogue,
    warnings: [
      ...keys
        .filter((key) => !holds(grants, key))
        .map((key) => ({ key, detail: 'Neither member nor viewer grants this.' })),
      ...named.map(({ key, holders }) => ({
        key,
        detail: `${holders} of the tenants' own roles and API keys name this, and grant it. Look whether they should.`,
      })),
      ...unknown.slice(0, MOST_UNKNOWN).map(({ key, roles }) => ({
        key,
        detail: `${roles === 1 ? 'One role names' : `${roles} roles name`} this, and the catalogue does not.`,
      })),
    ],
    truncated: unknown.length > MOST_UNKNOWN,
  }
}
