import { readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import type { Facts, Question, RoleGrant, TenantStatus } from '../src/index.ts'
import { BUILT_IN_ROLES, createVerifier, decide, factsOf, satisfiesRole } from '../src/index.ts'
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
  membership: { status: 'active' | 'suspended'; expires_in_seconds: number | null; roles: string[] } | null
  ask: { permission: string; resource_tenant?: 'own' | 'other'; in_tenant?: 'own' | 'other' }
  expect: { decision: boolean; code: string; role?: string; pattern?: string }
}

const cases: Case[] = parse(readFileSync(new URL('../../../test/cases/decisions.yaml', import.meta.url), 'utf8'))
const key = aKey()
const verifier = createVerifier({ issuer: ISSUER, audience: AUDIENCE, clock: () => NOW, keys: () => key.jwk })

for (const { name, tenant, membership, ask, expect } of cases) {
  const { decision, ...reason } = expect
  t.test(name, async (t) => {
    t.match(decide(factsFrom({ tenant, membership }), questionFrom(ask), NOW), { decision, reason })
    if (tenant?.status !== 'active' || membership?.status !== 'active' || endsBefore(membership, 1)) return

    const grants = grantsOf(membership.roles).map(({ permissions, excludes }) => ({ permissions, excludes }))
    const exp = NOW_SECONDS + Math.min(300, membership.expires_in_seconds ?? 300)
    const principal = await verifier.verify(aToken(key, { payload: { roles: membership.roles, grants, exp } }))
    t.match(decide(factsOf(principal.claims), questionFrom(ask), NOW), { decision, reason })
    if (ask.in_tenant === 'other' || ask.resource_tenant === 'other') {
      t.throws(() => principal.requireTenant(OTHER_TENANT_ID), { code: 'tenant_mismatch', status: 403 })
    } else {
      t.equal(principal.holds(ask.permission), decision)
    }
  })
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
      grants: grantsOf(membership.roles),
    },
  }
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

function questionFrom({ permission, in_tenant, resource_tenant }: Case['ask']): Question {
  const idOf = (whose: 'own' | 'other') => (whose === 'own' ? TENANT_ID : OTHER_TENANT_ID)
  return {
    tenant_id: idOf(in_tenant ?? 'own'),
    permission,
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
