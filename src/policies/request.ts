// A question in the words of the policy language: who asks, with roles and groups above him, what for, on which thing, and
// under which circumstances. Pure.
import { isOpen, type RoleGrant } from '@tenantry/client'
import { wildcardsOver } from '../permissions/by-name.ts'
import type { Request } from './engine.ts'
import { recordOf } from './values.ts'

type Properties = { readonly [name: string]: unknown }

/** Who asks, as far as policies look at that. */
export interface Subject {
  type: 'user' | 'api_key'
  /** As the question names it. */
  id: string
  membership_id: string | null
  grants: readonly RoleGrant[]
  /** Their ids. */
  groups: readonly string[]
  properties: Properties
}

export interface Resource {
  type: string
  id: string
  properties: Properties
}

/** What the caller says of the moment: its context, what of the action, and how the subject has logged in where that may be told. */
export interface Moment {
  context: Properties
  action_properties: Properties
  acr?: string | undefined
  auth_time?: number | undefined
  now: Date
}

/** What of a context is meant for the service itself. */
const FOR_THE_SERVICE = ['tenant_id', 'explain', 'min_revision', 'acr', 'auth_time', 'now']

export const requestOf = (subject: Subject, permission: string, resource: Resource, moment: Moment): Request => {
  const principal = { type: subject.type === 'user' ? 'User' : 'ApiKey', id: subject.id }
  const action = { type: 'Action', id: permission }
  const on = { type: 'Resource', id: `${resource.type}/${resource.id}` }
  const roles = rolesOf(subject, resource, moment.now)
  const parents = [...roles.map((id) => ({ type: 'Role', id })), ...subject.groups.map((id) => ({ type: 'Group', id }))]
  const of_principal = {
    ...{ id: subject.id, roles, properties: recordOf(subject.properties) },
    ...(subject.membership_id !== null && { membership_id: subject.membership_id }),
  }
  const of_resource = { type: resource.type, id: resource.id, properties: recordOf(resource.properties) }
  return {
    ...{ principal, action, resource: on, context: contextOf(moment) },
    entities: [
      { uid: principal, attrs: of_principal, parents },
      {
        ...{ uid: action, attrs: { properties: recordOf(moment.action_properties) } },
        parents: wildcardsOver(permission).map((id) => ({ type: 'Action', id })),
      },
      { uid: on, attrs: of_resource, parents: [] },
    ],
  }
}

/** Held now, in the whole tenant or on this very thing. */
const rolesOf = ({ grants }: Subject, { type, id }: Resource, now: Date): string[] => {
  const held = grants.filter(({ resource }) => resource == null || (resource.type === type && resource.id === id))
  return [...new Set(held.flatMap((grant) => (grant.role !== null && isOpen(grant, now) ? [grant.role] : [])))]
}

const contextOf = ({ context, acr, auth_time, now }: Moment): Request['context'] => {
  const told = Object.entries(context).filter(([name]) => !FOR_THE_SERVICE.includes(name))
  return {
    ...recordOf({ ...Object.fromEntries(told), acr, auth_time }),
    now: { __extn: { fn: 'datetime', arg: now.toISOString() } },
  }
}
