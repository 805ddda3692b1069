// Which facts in memory an event ends: exactly those that it is about.
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { PLATFORM } from '../../src/database/schema.ts'
import { EVERYTHING, namesIn } from '../../src/freshness/evictions.ts'

const TENANT = '01970000-0000-7000-8000-000000000001'

const CASES: [string, Record<string, unknown>, string[], string?][] = [
  ['membership.created', { membership_id: 'm' }, []],
  ['membership.updated', { membership_id: 'm' }, ['membership:m']],
  ['membership.suspended', { membership_id: 'm' }, ['membership:m']],
  ['membership.reactivated', { membership_id: 'm' }, ['membership:m']],
  ['membership.signed_out', { membership_id: 'm' }, ['membership:m']],
  ['membership.deleted', { membership_id: 'm' }, ['membership:m']],
  ['api_key.created', { api_key_id: 'k' }, []],
  ['api_key.deleted', { api_key_id: 'k' }, ['api_key:k']],
  ['api_key.deleted', { api_key_id: 'k' }, ['api_key:k'], PLATFORM],
  ['api_key.replaced', { api_key_id: 'k', root: true }, ['api_key:k'], PLATFORM],
  ['issuer.created', { issuer_id: 'i' }, []],
  ['issuer.updated', { issuer_id: 'i' }, ['issuer:i']],
  ['issuer.deleted', { issuer_id: 'i' }, ['issuer:i'], PLATFORM],
  ['token.revoked', { jti: 'j' }, ['token:j']],
  ['token.delegated', { jti: 'j', membership_id: 'm' }, []],
  ['role.created', { key: 'clerk' }, []],
  ['role.updated', { key: 'clerk' }, [`tenant:${TENANT}`]],
  ['role.deleted', { key: 'clerk' }, [`tenant:${TENANT}`]],
  ['role.updated', { key: 'clerk' }, ['role:clerk'], PLATFORM],
  ['role.deleted', { key: 'clerk' }, ['role:clerk'], PLATFORM],
  ['group.created', { group_id: 'g' }, []],
  ['group.updated', { group_id: 'g' }, [`tenant:${TENANT}`]],
  ['group.deleted', { group_id: 'g' }, [`tenant:${TENANT}`]],
  ['group.member_added', { group_id: 'g', membership_id: 'm' }, ['membership:m']],
  ['group.member_removed', { group_id: 'g', membership_id: 'm' }, ['membership:m']],
  ['grant.created', { grant_id: 'g', membership_id: 'm', group_id: null }, ['membership:m']],
  ['grant.created', { grant_id: 'g', membership_id: null, group_id: 'g' }, [`tenant:${TENANT}`]],
  ['grant.updated', { grant_id: 'g', membership_id: 'm', group_id: null }, ['membership:m']],
  ['grant.deleted', { grant_id: 'g', membership_id: 'm', group_id: null }, ['membership:m']],
  ['grant.updated', { grant_id: 'g' }, [`tenant:${TENANT}`]],
  ['grant.deleted', { grant_id: 'g', group_id: 'g' }, [`tenant:${TENANT}`]],
  ['resource.created', { type: 'invoice', id: 'r' }, []],
  ['resource.updated', { type: 'invoice', id: 'r' }, []],
  ['resource.deleted', { type: 'invoice', id: 'r' }, [`tenant:${TENANT}`]],
  ['policy.created', { policy_id: 'p' }, [`tenant:${TENANT}`]],
  ['policy.updated', { policy_id: 'p' }, [`tenant:${TENANT}`]],
  ['policy.deleted', { policy_id: 'p' }, [`tenant:${TENANT}`]],
  ['policy.updated', { policy_id: 'p' }, [EVERYTHING], PLATFORM],
  ['role_set.created', { role_set_id: 's' }, [], PLATFORM],
  ['role_set.updated', { role_set_id: 's' }, [EVERYTHING], PLATFORM],
  ['role_set.deleted', { role_set_id: 's' }, [EVERYTHING], PLATFORM],
  ['tenant.created', {}, []],
  ['tenant.updated', {}, [`tenant:${TENANT}`]],
  ['tenant.suspended', {}, [`tenant:${TENANT}`]],
  ['tenant.reactivated', {}, [`tenant:${TENANT}`]],
  ['tenant.deletion_scheduled', {}, [`tenant:${TENANT}`]],
  ['tenant.restored', {}, [`tenant:${TENANT}`]],
  ['tenant.erased', {}, [`tenant:${TENANT}`]],
  ['catalogue.replaced', {}, [EVERYTHING], PLATFORM],
  ['platform.created', {}, [], PLATFORM],
  ['signing_key.created', { kid: 'a' }, [], PLATFORM],
  ['signing_key.activated', { kid: 'a' }, [], PLATFORM],
  ['signing_key.removed', { kids: ['a'] }, [EVERYTHING], PLATFORM],
  ['signing_key.revoked', { kids: ['a'] }, [EVERYTHING], PLATFORM],
  ['tenant.restored', { epoch: 2 }, [`tenant:${TENANT}`]],
  ['platform.restored', { epoch: 2 }, [EVERYTHING], PLATFORM],
]

for (const [type, data, names, history_id = TENANT] of CASES) {
  t.test(`${type} of ${history_id === PLATFORM ? 'the platform' : 'a tenant'}: ${names[0] ?? 'nothing'}`, async (t) => {
    t.same(namesIn({ history_id, type, data }), names)
  })
}

t.test('what is not known ends everything that it could concern', async (t) => {
  t.same(namesIn({ history_id: TENANT, type: 'policy.replaced', data: {} }), [`tenant:${TENANT}`])
  t.same(namesIn({ history_id: PLATFORM, type: 'policy.replaced', data: {} }), [EVERYTHING])
  t.same(namesIn({ history_id: TENANT, type: 'membership.updated', data: {} }), [EVERYTHING], 'also whom it is about')
})

t.test('every type of event that there is was thought of', async (t) => {
  const source = new URL('../../src/', import.meta.url)
  const texts = readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.startsWith('freshness'))
    .map((name) => readFileSync(new URL(name, source), 'utf8'))
  const types = texts.flatMap((text) =>
    [...text.matchAll(/type: (?:row \? )?'([a-z_]+\.[a-z_]+)'/g)].map(([, type]) => type),
  )
  const known = new Set(CASES.map(([type]) => type))
  t.ok(types.length > 20, 'they are found')
  t.same(
    types.filter((type) => type !== undefined && !known.has(type)),
    [],
  )
})
