// What happens to a trusted issuer, inside one scope: a shared one is in the platform's history, a tenant's own in the
// tenant's. An issuer speaks for whomever it names, an owner too: so only who holds all that an owner does may manage one.
import { BUILT_IN_ROLES } from '@tenantry/client'
import type { components } from '@tenantry/client/contract'
import { requireEndWithinOwn, requireWithinOwn } from '../authorization/escalation.ts'
import { violatedConstraint } from '../database/faults.ts'
import type { History } from '../database/history.ts'
import type { Scope, Tx } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import { requireMatch } from '../http/preconditions.ts'
import type { By } from '../http/write.ts'
import { newId } from '../ids.ts'
import { issuerTarget } from '../revocations/targets.ts'
import { isSame } from '../same.ts'
import { lockHistory } from '../tenants/locking.ts'
import { isSafeUrl } from './guarded-fetch.ts'
import { ASSIGNED_PREFIX, assignedPrefix } from './prefixes.ts'
import {
  countIssuers,
  deleteIssuer,
  findIssuer,
  hasPrefix,
  type IssuerRow,
  insertIssuer,
  updateIssuer,
} from './queries.ts'

type IssuerCreate = components['schemas']['IssuerCreate']
type IssuerUpdate = components['schemas']['IssuerUpdate']

const MOST_OF_TENANT = 10
const ALGORITHMS = ['RS256', 'ES256', 'EdDSA']
const OWNER = BUILT_IN_ROLES.filter(({ key }) => key === 'owner')

/** An issuer after a change, and the history it is in. */
export interface Changed {
  issuer: IssuerRow
  history: History
}

const requireMay = ({ principal }: By): void => {
  requireWithinOwn(principal, OWNER)
  requireEndWithinOwn(principal, null, OWNER)
}

/** Where issuers may be. */
export interface Addresses {
  allow_loopback: boolean
  /** This service, which is no issuer to itself. */
  own: string
}

/** @throws Problem `issuer.unsafe` */
const requireSafe = (urls: Record<string, string | null | undefined>, { allow_loopback, own }: Addresses): void => {
  const errors = Object.entries(urls)
    .filter(([, url]) => typeof url === 'string' && (url === own || !isSafeUrl(url, allow_loopback)))
    .map(([name]) => ({ pointer: `/${name}`, detail: 'This is not an address that is safe to ask.' }))
  if (errors.length > 0) throw new Problem('issuer.unsafe', { errors })
}

const prefixOf = (id: string, scope: Scope, given: string | undefined): string => {
  if (scope !== 'platform' && given === undefined) return assignedPrefix(id)
  if (scope === 'platform' && !given?.startsWith(ASSIGNED_PREFIX)) return given ?? ''
  throw new Problem('issuer.prefix_assigned', {
    errors: [{ pointer: '/user_id_prefix', detail: 'This is not for you to choose.' }],
  })
}

export const createIssuer = async (
  tx: Tx,
  by: By,
  scope: Scope,
  input: Omit<IssuerCreate, 'tenant_id'>,
  addresses: Addresses,
): Promise<Changed> => {
  const { issuer, audiences, jwks_uri = null, algorithms = ALGORITHMS } = input
  const { user_id_claim = 'sub', email_claim = 'email', email_verified_claim = 'email_verified' } = input
  const id = newId()
  const user_id_prefix = prefixOf(id, scope, input.user_id_prefix)
  requireSafe({ issuer, jwks_uri }, addresses)
  requireMay(by)
  const history = await lockHistory(tx, by, scope)
  if (scope !== 'platform' && (await countIssuers(tx, history.id)) >= MOST_OF_TENANT)
    throw new Problem('issuer.too_many')
  if (!input.shares_user_ids && (await hasPrefix(tx, history.id, user_id_prefix)))
    throw new Problem('issuer.same_users')
  const at = by.now.toISOString()
  const row = await insertIssuer(tx, {
    ...{ history_id: history.id, id, issuer, audiences, jwks_uri, algorithms, user_id_claim, user_id_prefix },
    ...{
      email_claim,
      email_verified_claim,
      client_auth_required: input.client_auth_required ?? false,
      revision: history.next,
      created_at: at,
      updated_at: at,
    },
  }).catch((error: unknown) => {
    throw violatedConstraint(error) === 'issuers_issuer' ? new Problem('issuer.exists') : error
  })
  const data = { issuer_id: id, issuer, audiences, jwks_uri, algorithms }
  await history.append(tx, { type: 'issuer.created', actor: by.actor, at: by.now, data })
  return { issuer: row, history }
}

const lockIssuer = async (
  tx: Tx,
  by: By,
  scope: Scope,
  { id, ifMatch }: { id: string; ifMatch: string | undefined },
): Promise<Changed> => {
  requireMay(by)
  const history = await lockHistory(tx, by, scope)
  const issuer = await findIssuer(tx, history.id, id)
  if (!issuer) throw new Problem('issuer.not_found')
  requireMatch(ifMatch, issuer.revision)
  return { issuer, history }
}

export const changeIssuer = async (
  tx: Tx,
  by: By,
  scope: Scope,
  which: { id: string; ifMatch: string | undefined },
  input: IssuerUpdate,
  addresses: Addresses,
): Promise<Changed> => {
  requireSafe({ jwks_uri: input.jwks_uri }, addresses)
  const { issuer, history } = await lockIssuer(tx, by, scope, which)
  if (isSame(issuer, input)) return { issuer, history }
  const changed = await updateIssuer(tx, history.id, which.id, {
    ...input,
    ...{ revision: history.next, updated_at: by.now.toISOString() },
  })
  await history.append(tx, {
    ...{ type: 'issuer.updated', actor: by.actor, at: by.now, data: { issuer_id: which.id, changed: input } },
    revokes: [issuerTarget(which.id)],
  })
  return { issuer: changed, history }
}

export const removeIssuer = async (
  tx: Tx,
  by: By,
  scope: Scope,
  which: { id: string; ifMatch: string | undefined },
): Promise<History> => {
  const { history } = await lockIssuer(tx, by, scope, which)
  await deleteIssuer(tx, history.id, which.id)
  await history.append(tx, {
    ...{ type: 'issuer.deleted', actor: by.actor, at: by.now, data: { issuer_id: which.id } },
    revokes: [issuerTarget(which.id)],
  })
  return history
}
