import { readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import type { Facts, Question, Reason, RoleGrant, TenantStatus } from '../src/index.ts'
import { BUILT_IN_ROLES, createVerifier, decide, factsOf, isOpen, satisfiesRole } from '../src/index.ts'
import {
  AUDIENCE,
  aKey,
  aToken,
  ISSUER,
  MEMBERSHIP_ID,
  NOW,
  NOW_SECONDS,
  OTHER_TENANT_ID,
  TENANT_ID,
} from './support/tokens.ts'

type Case = {
  name: string
  tenant: { status: TenantStatus } | null
  membership: {
    status: 'active' | 'suspended'
    expires_in_seconds: number | null
    roles: string[]
    groups?: string[][]
    grants?: GivenGrant[]
  } | null
  ask: { permission: string; on?: string; resource_tenant?: 'own' | 'other'; in_tenant?: 'own' | 'other' }
  expect: { decision: boolean; code: string; role?: string; pattern?: string; by?: Way; on?: string }
}
type GivenGrant = { role: string; on?: string; begins?: number; ends?: number; to?: 'group' }
type Way = 'group' | 'grant' | 'group_grant'

const cases: Case[] = parse(readFileSync(new URL('../../../test/cases/decisions.yaml', import.meta.url), 'utf8'))
const key = aKey()
const verifier = createVerifier({ issuer: ISSUER, audience: AUDIENCE, clock: () => NOW, keys: () => key.jwk })

for (const { name, tenant, membership, ask, expect } of cases) {
  const { decision, by, on, ...reason } = expect
  t.test(name, async (t) => {
    const facts = factsFrom({ tenant, membership })
    const told = decide(facts, questionFrom(ask), NOW)
    t.match(told, { decision, reason })
    t.same(wayOf(told.reason), decision ? { by, on } : {})
    if (tenant?.status !== 'active' || membership?.status !== 'active' || endsBefore(membership, 1)) return

    // As the service would issue it: what holds in the whole tenant, and for how long; the rest is to be asked.
    const held = (facts.subject?.grants ?? []).filter((grant) => !grant.resource && isOpen(grant, NOW))
    const roles = held.map(({ role }) => role ?? '')
    const grants = held.map(({ permissions, excludes }) => ({ permissions, excludes }))
    const ends = held.map(({ expires_at }) => Date.parse(expires_at ?? '9999-01-01T00:00:00Z') / 1_000)
    const exp = Math.min(NOW_SECONDS + Math.min(300, membership.expires_in_seconds ?? 300), ...ends)
    const onResources = (membership.grants ?? []).flatMap(({ on }) => (on === undefined ? [] : [`${typeOf(on)}:*`]))
    const payload = { roles, grants, exp, ...(onResources.length > 0 && { ask: onResources }) }
    const principal = await verifier.verify(aToken(key, { payload }))
    const answer = principal.answerTo(ask.permission)
    if (ask.in_tenant === 'other' || ask.resource_tenant === 'other') {
      t.throws(() => principal.requireTenant(OTHER_TENANT_ID), { code: 'tenant_mismatch', status: 403 })
      return
    }
    if (answer === 'ask') t.ok(onResources.length > 0)
    else t.match(decide(factsOf(principal.claims), questionFrom(ask), NOW), { decision, reason })
    t.equal(principal.holds(ask.permission), answer === 'yes')
    if (decision) t.equal(answer, on === undefined ? 'yes' : 'ask')
    else t.not(answer, 'yes')
  })
}

/** Which way it is granted, as a case says it. */
function wayOf(reason: Reason): { by?: Way; on?: string } {
  if (reason.code !== 'role_grants') return {}
  const { group_id, grant_id, resource } = reason
  const by =
    group_id === undefined ? (grant_id === undefined ? undefined : 'grant') : grant_id ? 'group_grant' : 'group'
  return { by, on: resource && `${resource.type}/${resource.id}` } as { by?: Way; on?: string }
}

function typeOf(on: string): string {
  return on.slice(0, on.indexOf('/'))
}

function endsBefore({ expires_in_seconds }: { expires_in_seconds: number | null }, seconds: number): boolean {
  return expires_in_seconds !== null && expires_in_seconds < seconds
}

function factsFrom({ tenant, membership }: Pick<Case, 'tenant' | 'membership'>): Facts {
  return {
    tenant: tenant && { id: TENANT_ID, status: tenant.status },
    subject: membership && {
      kind: 'membership',
      id: MEMBERSHIP_ID,
      status: membership.status,
      expires_at: endOf(membership.expires_in_seconds),
      grants: [
        ...grantsOf(membership.roles),
        ...(membership.groups ?? []).flatMap((roles, i) =>
          grantsOf(roles).map((grant) => ({ ...grant, grant_id: null, group_id: `group-${i}` })),
        ),
        ...(membership.grants ?? []).flatMap(grantFrom),
      ],
    },
  }
}

function grantFrom({ role, on, begins, ends, to }: GivenGrant, i: number): RoleGrant[] {
  return grantsOf([role]).map((grant) => ({
    ...grant,
    ...{ grant_id: `grant-${i}`, group_id: to === 'group' ? 'group-0' : null },
    ...{ not_before: endOf(begins ?? null), expires_at: endOf(ends ?? null) },
    resource: on === undefined ? null : { type: typeOf(on), id: on.slice(typeOf(on).length + 1) },
  }))
}

function endOf(expires_in_seconds: number | null): string | null {
  return expires_in_seconds === null ? null : new Date(NOW.getTime() + expires_in_seconds * 1_000).toISOString()
}

function grantsOf(roles: readonly string[]): RoleGrant[] {
  return roles.flatMap((key) => {
    return BUILT_IN_ROLES.filter((role) => role.key === key).map(({ permissions, excludes }) => ({
      role: key,
      permissions,
      excludes,
    }))
  })
}

function questionFrom({ permission, on, in_tenant, resource_tenant }: Case['ask']): Question {
  const idOf = (whose: 'own' | 'other') => (whose === 'own' ? TENANT_ID : OTHER_TENANT_ID)
  return {
    tenant_id: idOf(in_tenant ?? 'own'),
    permission,
    resource_id: on,
    resource_tenant_id: resource_tenant && idOf(resource_tenant),
  }
}

t.test("an API key's grants have no role, and it may expire", async (t) => {
  const grants = [{ role: null, permissions: ['invoice:*'], excludes: ['invoice:void'] }]
  const facts = (expires_at: string | null): Facts => ({
    tenant: { id: TENANT_ID, status: 'active' },
    subject: { kind: 'api_key', id: 'key', status: 'active', expires_at, grants },
  })
  const ask = (permission: string) => ({ tenant_id: TENANT_ID, permission })
  t.same(decide(facts(null), ask('invoice:read'), NOW), {
    decision: true,
    reason: { code: 'key_grants', pattern: 'invoice:*' },
  })
  t.match(decide(facts(null), ask('invoice:void'), NOW), { decision: false, reason: { code: 'no_role_grants' } })
  t.match(decide(facts(NOW.toISOString()), ask('invoice:read'), NOW), {
    decision: false,
    reason: { code: 'api_key_expired' },
  })
  t.match(decide(facts('nonsense'), ask('invoice:read'), NOW), { decision: false, reason: { code: 'api_key_expired' } })
})

t.test('a membership ends in the very millisecond of its end', async (t) => {
  const membership = { status: 'active' as const, expires_in_seconds: 10, roles: ['viewer'] }
  const facts = factsFrom({ tenant: { status: 'active' }, membership })
  const at = (ms: number) => decide(facts, questionFrom({ permission: 'a:read' }), new Date(NOW.getTime() + ms))
  t.match(at(9_999), { decision: true })
  t.same(at(10_000), {
    decision: false,
    reason: { code: 'membership_expired', expires_at: '2026-01-15T12:00:10.000Z' },
  })
})

t.test('built-in roles include those below them, custom roles only themselves', async (t) => {
  t.ok(satisfiesRole(['owner'], 'viewer'))
  t.ok(satisfiesRole(['viewer', 'admin'], 'admin'))
  t.notOk(satisfiesRole(['member'], 'admin'))
  t.ok(satisfiesRole(['accountant'], 'accountant'))
  t.notOk(satisfiesRole(['owner'], 'accountant'))
  t.notOk(satisfiesRole(['accountant'], 'viewer'))
  t.notOk(satisfiesRole([], 'viewer'))
})
