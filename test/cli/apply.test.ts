// `tenantry apply` and `tenantry export`, against a running service.
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { prepareDirectory } from '../support/databases.ts'
import { aDirectory, type End, run, serve } from './command.ts'

const directory = aDirectory(t)
await prepareDirectory(join(directory, 'data'))
const service = await serve(t, { TENANTRY_DATA_DIR: join(directory, 'data') })
const root = readFileSync(join(directory, 'data', 'root-api-key'), 'utf8').trim()
const env = { TENANTRY_URL: service.url, TENANTRY_API_KEY: root }
const tenantry = (...args: string[]): Promise<End> => run(args, env)
const json = async (...args: string[]) => JSON.parse((await tenantry(...args, '--json')).out)
const example = (name: string): string => fileURLToPath(new URL(`../../examples/access/${name}`, import.meta.url))

let files = 0
/** A file with this in it, or the path of one that is not there yet. */
const aFile = (content?: unknown): string => {
  const file = join(directory, `file-${++files}.yaml`)
  if (content !== undefined) writeFileSync(file, typeof content === 'string' ? content : stringify(content))
  return file
}

const call = async (
  method: string,
  path: string,
  body?: unknown,
  credential = root,
): Promise<{ status: number; body: unknown }> => {
  const answer = await fetch(`${service.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) }
}

type Key = { secret: string }
type Answer = { decision: boolean; evaluations: { decision: boolean }[]; results: unknown[] }

const exported = async (...sections: string[]) => parse((await tenantry('export', ...sections)).out)
const platformRevision = async (): Promise<number> => {
  const answer = await fetch(`${service.url}/permissions`, { headers: { authorization: `Bearer ${root}` } })
  await answer.body?.cancel()
  const events = (await call('GET', '/events?limit=200')).body as {
    data: { tenant_id: string | null; revision: number }[]
  }
  return Math.max(...events.data.filter(({ tenant_id }) => tenant_id === null).map(({ revision }) => revision))
}

t.test('the examples are applied, say before what they would do, and a second time change nothing', async (t) => {
  const file = example('access.yaml')
  const before = await platformRevision()
  const told = await tenantry('apply', file, '--dry-run')
  t.match(told, { code: 0, err: '' })
  t.match(
    told.out,
    /^catalogue\n {2}~ \(all\)\n {6}strict: false -> true\n {2}\+ invoice:read\n {6}description: See invoices/,
  )
  t.match(told.out, /roles\n {2}\+ bookkeeper\n[\s\S]*permissions: invoice:\*, customer:\*, report:read\n/)
  t.match(
    told.out,
    /policies\n {2}\+ large-invoices\n[\s\S]* {6}text:\n {8}\+ forbid \(principal, action == Action::"invoice:approve", resource\)\n/,
  )
  t.match(told.out, /\n20 to add, 1 to change\n$/)
  t.match(await tenantry('apply', file, '--check'), { code: 1, out: told.out })
  t.equal(await platformRevision(), before, 'and neither does anything')

  const secrets = aFile()
  t.match(await tenantry('apply', file, '--secrets-out', secrets), { code: 0, err: '', out: /Done\.\n$/ })
  const after = await platformRevision()
  t.ok(after > before)
  for (const again of [['--check'], ['--dry-run'], []]) {
    t.match(await tenantry('apply', file, ...again), { code: 0, out: 'Nothing to change.\n', err: '' })
  }
  t.equal(await platformRevision(), after)
  t.match(await json('apply', file), { applied: false, changes: [] })

  const kept = parse(readFileSync(secrets, 'utf8'))
  t.same(Object.keys(kept), ['back end', 'signup', 'revocation feed'])
  t.equal(statSync(secrets).mode & 0o777, 0o600)
  const feed = await fetch(`${service.url}/revocations`, {
    headers: { authorization: `Bearer ${kept['revocation feed']}` },
  })
  t.equal(feed.status, 200, 'the secrets are those of the keys')
  await feed.body?.cancel()
})

t.test('what is exported applies to the same service without a change, and holds no secret', async (t) => {
  const end = await tenantry('export')
  t.match(end, { code: 0, err: '' })
  t.notMatch(end.out, /tnt_|secret|hint|"?id"?:/)
  t.match(await tenantry('apply', aFile(end.out)), { code: 0, out: 'Nothing to change.\n' })
  t.match(await run(['apply', '-'], env, end.out), { code: 0, out: 'Nothing to change.\n' }, 'from a pipe too')
  const form = parse(end.out)
  const given = parse(readFileSync(example('access.yaml'), 'utf8'))
  t.same(form.catalogue, given.catalogue)
  const sorted = (list: Record<string, string>[], by: string) =>
    list.toSorted((a, b) => (String(a[by]) < String(b[by]) ? -1 : 1))
  t.same(form.roles, sorted(given.roles, 'key'), 'and is as short as what a person writes')
  t.same(form.role_sets, sorted(given.role_sets, 'key'))
  t.same(form.policies, given.policies)
  t.same(form.issuers, given.issuers)
  t.same(form.api_keys, sorted(given.api_keys, 'name'))
  t.same(Object.keys(await exported('roles')), ['version', 'roles'])
  t.match(await tenantry('export', 'tenants'), { code: 2, err: /There are catalogue, roles/ })
  t.same(await json('export'), form)
})

t.test('what differs is told field by field, and brought back', async (t) => {
  const file = example('access.yaml')
  const roles = (await call('GET', '/roles?shared=true')).body as { data: { id: string; key: string }[] }
  const bookkeeper = roles.data.find(({ key }) => key === 'bookkeeper')?.id
  await call('PATCH', `/roles/${bookkeeper}`, {
    name: 'Keeper',
    permissions: ['invoice:*', 'invoice:approve', 'report:read'],
  })
  const sets = (await call('GET', '/role-sets')).body as { data: { id: string; key: string }[] }
  await call('PATCH', `/role-sets/${sets.data.find(({ key }) => key === 'business')?.id}`, { default: true })
  const [policy] = ((await call('GET', '/policies?shared=true')).body as { data: { id: string; text: string }[] }).data
  await call('PATCH', `/policies/${policy?.id}`, { text: policy?.text.replace('10000', '500'), enabled: false })
  const issuers = (await call('GET', '/issuers')).body as { data: { id: string }[] }
  await call('PATCH', `/issuers/${issuers.data[0]?.id}`, { jwks_uri: 'https://login.example.com/keys' })
  const check = await tenantry('apply', file, '--check')
  t.equal(check.code, 1)
  t.equal(
    check.out,
    `roles
  ~ bookkeeper
      name: Keeper -> Bookkeeper
      permissions: +customer:* -invoice:approve
role_sets
  ~ free
      default: false -> true
  ~ business
      default: true -> false
policies
  ~ large-invoices
      text:
        - when { context has amount && context.amount > 500 }
        + when { context has amount && context.amount > 10000 }
      enabled: false -> true
issuers
  ~ https://login.example.com
      jwks_uri: https://login.example.com/keys -> null
5 to change
`,
  )
  const { changes } = await json('apply', file, '--check')
  t.match(changes[0], {
    ...{ section: 'roles', key: 'bookkeeper', action: 'change', destructive: false },
    differences: [{ field: 'name', from: 'Keeper', to: 'Bookkeeper' }, { field: 'permissions' }],
  })
  t.match(await tenantry('apply', file), { code: 0, err: '' })
  t.equal((await tenantry('apply', file, '--check')).code, 0)
})

t.test('what the file does not name is taken away with --prune only, and otherwise nothing is done', async (t) => {
  const form = await exported()
  await call('POST', '/roles', { key: 'stray', name: 'Stray', permissions: [] })
  await call('POST', '/issuers', { issuer: 'https://stray.example', audiences: ['x'], user_id_prefix: 'stray:' })
  await call('POST', '/api-keys', { name: 'stray', permissions: ['invoice:read'] })
  await call('POST', '/role-sets', { key: 'stray', name: 'Stray', roles: ['stray'] })
  const before = await platformRevision()
  const file = aFile({ ...form, roles: [...form.roles, { key: 'fresh', name: 'Fresh', permissions: [] }] })
  const refused = await tenantry('apply', file)
  t.match(refused, { code: 1, err: /Nothing was done[\s\S]*remove roles stray[\s\S]*remove api_keys stray/ })
  t.equal(await platformRevision(), before)
  t.match(await tenantry('apply', file, '--dry-run'), { code: 0, out: /1 to add, 4 to remove\n$/ })
  t.match(await tenantry('apply', file, '--prune'), { code: 0, err: '' })
  t.same(
    (await exported()).roles.map(({ key }: { key: string }) => key),
    ['approver', 'auditor', 'bookkeeper', 'fresh'],
  )
  t.match(await tenantry('apply', aFile(form), '--prune'), { code: 0, out: /- fresh/ })
})

t.test('a section that is left out is left alone', async (t) => {
  t.match(await tenantry('apply', aFile({ version: 1 }), '--check', '--prune'), {
    code: 0,
    out: 'Nothing to change.\n',
  })
})

t.test('a role that is held goes with an heir, and where it cannot go the rest is done and told', async (t) => {
  const form = await exported()
  const held = { key: 'held', name: 'Held', permissions: ['report:read'] }
  await tenantry('apply', aFile({ version: 1, roles: [...form.roles, held] }))
  const tenant = await json('tenants', 'create', 'Holder', '--owner', 'user_olga', '--role-set', 'business')
  await call('PATCH', `/tenants/${tenant.id}`, { role_set: null })
  const free = (await call('GET', '/role-sets')).body as { data: { id: string; key: string }[] }
  const url = `/role-sets/${free.data.find(({ key }) => key === 'free')?.id}`
  await call('PATCH', url, { roles: ['admin', 'member', 'held'] })
  const member = await json('members', 'add', 'user_vera', '--tenant', tenant.id, '--role', 'held')

  const wanted = aFile({ ...form, roles: [...form.roles, { key: 'late', name: 'Late', permissions: [] }] })
  const cut = await tenantry('apply', wanted, '--prune')
  t.match(cut, {
    code: 1,
    err: /done {6}add roles late\ndone {6}change role_sets free\nnot done {2}remove roles held\n/,
  })
  t.match(cut.err, /role\.in_use/)
  const machine = await tenantry('apply', wanted, '--prune', '--json')
  t.match(JSON.parse(machine.out), { applied: false, done: [], not_done: [{ key: 'held' }] })
  t.equal(JSON.parse(machine.err).code, 'role.in_use')

  t.match(await tenantry('apply', wanted, '--prune', '--remap', 'late=member'), { code: 2, err: /does not go/ })
  t.match(await tenantry('apply', wanted, '--prune', '--remap', 'held'), { code: 2, err: /<role>=<heir>/ })
  t.match(await tenantry('apply', wanted, '--prune', '--remap', 'held=auditor'), { code: 0, err: '' })
  t.same(((await call('GET', `/memberships/${member.id}`)).body as { roles: string[] }).roles, ['auditor'])
  await tenantry('apply', aFile(form), '--prune')
})

t.test(
  'a built-in role goes back to what is built in with --prune, and an export has it where it was changed',
  async (t) => {
    const form = await exported('roles')
    const roles = (await call('GET', '/roles?shared=true')).body as { data: { id: string; key: string }[] }
    await call('PATCH', `/roles/${roles.data.find(({ key }) => key === 'viewer')?.id}`, {
      excludes: ['billing:*', 'report:*'],
    })
    const changed = await exported('roles')
    t.match(changed.roles.at(-1), { key: 'viewer', excludes: ['billing:*', 'report:*'] })
    t.match(await tenantry('apply', aFile(changed), '--check'), { code: 0 })
    t.match(await tenantry('apply', aFile(form)), {
      code: 1,
      out: /! viewer[\s\S]*excludes: -report:\*/,
      err: /reset roles viewer/,
    })
    t.match(await tenantry('apply', aFile(form), '--prune'), { code: 0 })
    t.same(await exported('roles'), form)
  },
)

t.test('an API key whose rights change is replaced, and the one before ends after', async (t) => {
  const keyed = (permissions: string[]) =>
    aFile({ version: 1, api_keys: [...form.api_keys, { name: 'job', permissions }] })
  const form = await exported('api_keys')
  const first = await json('apply', keyed(['invoice:read']), '--secrets-out', '-')
  t.match(Object.keys(first.secrets), ['job'])
  t.match(await tenantry('apply', keyed(['invoice:write'])), { code: 1, err: /replace api_keys job/ })
  const printed = await tenantry('apply', keyed(['invoice:write']), '--prune', '--secrets-out', '-')
  const second = /The secret of job, shown now and never again: (tnt_\w+)/.exec(printed.out)?.[1] ?? ''
  const statusOf = async (key: string): Promise<number> =>
    (await fetch(`${service.url}/me`, { headers: { authorization: `Bearer ${key}` } })).status
  t.same([await statusOf(first.secrets.job), await statusOf(second)], [401, 200])
  t.match(await tenantry('apply', keyed(['invoice:write'])), { code: 0, out: 'Nothing to change.\n' })

  await call('POST', '/api-keys', { name: 'job', permissions: ['invoice:write'] })
  t.match(await tenantry('apply', keyed(['invoice:write'])), { code: 1, err: /remove api_keys job/ }, 'one of a name')
  t.match(await tenantry('export', 'api_keys'), {
    code: 0,
    err: 'Several API keys are called "job": only the newest is in the file.\n',
  })
  t.match(await tenantry('apply', keyed(['invoice:write']), '--prune'), { code: 0, err: '' })
  t.match(await tenantry('apply', aFile(form), '--prune'), { code: 0 })
})

t.test('secrets go where they were told to go, or no key is made', async (t) => {
  const form = await exported('api_keys')
  const file = aFile({ version: 1, api_keys: [...form.api_keys, { name: 'new', permissions: ['invoice:read'] }] })
  const before = await platformRevision()
  t.match(await tenantry('apply', file), { code: 2, err: /--secrets-out/ }, 'no terminal')
  t.match(await tenantry('apply', file, '--json'), { code: 2 })
  const taken = aFile('there')
  t.match(await tenantry('apply', file, '--secrets-out', taken), { code: 2, err: /not there yet/ })
  t.equal(readFileSync(taken, 'utf8'), 'there')
  t.equal(await platformRevision(), before)
})

t.test('it is done with a key of the platform, which does not end itself', async (t) => {
  const form = await exported('api_keys')
  const tenant = await json('tenants', 'create', 'Own', '--owner', 'user_olga')
  const own = await json(
    'keys',
    'create',
    'own',
    '--permission',
    'tenantry.*',
    '--permission',
    '*',
    '--tenant',
    tenant.id,
  )
  const file = aFile({ version: 1, roles: [{ key: 'mine', name: 'Mine', permissions: [] }] })
  const asTenant = await run(['apply', file, '--prune'], { ...env, TENANTRY_API_KEY: own.secret })
  t.match(asTenant, { code: 1, err: /needs an API key of the platform/ })
  const all = await json('keys', 'create', 'applier', '--permission', '*', '--permission', 'tenantry.*')
  const itself = await run(['apply', aFile(form), '--prune'], { ...env, TENANTRY_API_KEY: all.secret })
  t.match(itself, { code: 1, err: /would end the key that it is done with, "applier"/ })
  const reader = await json('keys', 'create', 'reader', '--permission', 'tenantry.role:read')
  const limited = { ...env, TENANTRY_API_KEY: reader.secret }
  t.match(await run(['apply', aFile({ version: 1, role_sets: [] }), '--check'], limited), { code: 1, out: /- free/ })
  t.match(await run(['apply', example('access.yaml'), '--check'], limited), { code: 1, err: /permission.missing/ })
  await call('DELETE', `/api-keys/${all.id}`)
  await call('DELETE', `/api-keys/${reader.id}`)
})

t.test('everything wrong with a file is told with its line, before anything is asked', async (t) => {
  const nowhere = { TENANTRY_URL: 'http://127.0.0.1:9', TENANTRY_API_KEY: 'none' }
  const faultsOf = async (content: string): Promise<string> => {
    const end = await run(['apply', aFile(content)], nowhere)
    t.equal(end.code, 1)
    t.equal(end.out, '')
    return end.err
  }
  const many = await faultsOf(`version: 1
tenants: []
roles:
  - key: Bad Key
    name: Bad
    permissions: [invoice:read]
    tenant_id: 0197a0c2-6f5e-7b3a-9d53-0f6f6a5f2c11
  - name: None
    permissions: invoice:read
`)
  t.match(many, /line 2, column 1: \/tenants: This field is not known here\./)
  t.match(many, /line 4, column 5: \/roles\/0\/key: Value must match pattern/)
  t.match(many, /line 7, column 5: \/roles\/0\/tenant_id: This field is not known here\./)
  t.match(many, /line 8, column 5: \/roles\/1\/key: This field is required\./)
  t.match(many, /line 9, column 5: \/roles\/1\/permissions: /)
  t.match(await faultsOf('version: 2\n'), /line 1, column 1: \/version: Must be one of: 1\./)
  t.match(await faultsOf('roles: []\n'), /\/version: This field is required\./)
  t.match(await faultsOf(''), /is not right:\n {2}line 1, column 1: \/: It is empty\./)
  t.match(await faultsOf('version: 1\nroles: [\n'), /line \d+, column \d+: /)
  t.match(await faultsOf('version: *nothing\n'), /is not right:\n.*nothing/)
  t.match(await faultsOf('version: 1\nversion: 1\n'), /line 2, column 1: Map keys must be unique/)
  const odd = await faultsOf(`version: 1
catalogue: { permissions: [{ key: a:b }, { key: a:b }] }
roles: []
role_sets:
  - { key: one, name: One, roles: [viewer, ghost], default: true }
  - { key: two, name: Two, roles: [], default: true }
`)
  t.match(odd, /line 2, .*\/catalogue\/permissions\/1\/key: "a:b" is there twice\./)
  t.match(odd, /line 5, .*\/role_sets\/0\/roles\/1: "ghost" is no role of this file/)
  t.match(odd, /line 6, .*\/role_sets\/1\/default: Another set is the default already\./)
  t.match(await run(['apply', join(directory, 'missing.yaml')], nowhere), { code: 2, err: /cannot be read/ })
})

t.test('what belongs to a tenant is not in the file, and stays', async (t) => {
  const form = await exported()
  const { id: tenant_id } = await json('tenants', 'create', 'Bystander', '--owner', 'user_olga')
  await call('POST', '/roles', { tenant_id, key: 'own-role', name: 'Own', permissions: ['invoice:read'] })
  await call('POST', '/issuers', { tenant_id, issuer: 'https://own.example', audiences: ['x'] })
  await call('POST', '/api-keys', { tenant_id, name: 'own key', permissions: ['invoice:read'] })
  t.same(await exported(), form)
  t.match(await tenantry('apply', aFile(form), '--prune'), { code: 0, out: 'Nothing to change.\n' })
  for (const list of ['roles', 'issuers', 'api-keys']) {
    const { data } = (await call('GET', `/${list}?tenant_id=${tenant_id}&shared=false`)).body as { data: unknown[] }
    t.equal(data.length, 1, list)
  }
})

t.test('issuers that name the same people are exported so that they are taken elsewhere', async (t) => {
  const form = await exported('issuers')
  const two = [...form.issuers, { issuer: 'https://second.example', audiences: ['x'], shares_user_ids: true }]
  t.match(await tenantry('apply', aFile({ version: 1, issuers: two })), { code: 0, err: '' })
  const shared = await exported('issuers')
  t.same(
    shared.issuers.map(({ shares_user_ids }: { shares_user_ids?: boolean }) => shares_user_ids),
    [true, true],
  )
  t.match(await tenantry('apply', aFile(shared), '--check'), { code: 0 })
  const claimed = aFile({ version: 1, issuers: [form.issuers[0], { ...two[1], user_id_claim: 'oid' }] })
  t.match(await tenantry('apply', claimed), { code: 1, out: /! https:\/\/second.example \(cannot be changed/ })
  t.match(await tenantry('apply', claimed, '--prune'), { code: 0, err: '' })
  t.match((await exported('issuers')).issuers[1], { user_id_claim: 'oid' })
  t.match(await tenantry('apply', aFile(form), '--prune'), { code: 0 })
})

t.test(
  'the AuthZEN certification scenario, applied: its levels with properties, asked with the tenant’s key',
  async (t) => {
    const file = example('authzen.yaml')
    const heir = ['--remap', 'auditor=record-reader'] // the tests before have left one who holds it
    t.match(await tenantry('apply', file, '--prune', ...heir, '--secrets-out', aFile()), { code: 0, err: '' })
    t.equal((await tenantry('apply', file, '--check')).code, 0)
    const { id: tenant_id } = await json('tenants', 'create', 'AuthZEN', '--slug', 'authzen', '--role-set', 'authzen')
    t.equal((await call('PATCH', `/tenants/${tenant_id}`, { trust_caller_properties: true })).status, 200)
    await tenantry('members', 'add', 'alice', '--tenant', 'authzen', '--role', 'record-editor')
    const bob_here = await json('members', 'add', 'bob', '--tenant', 'authzen', '--role', 'record-reader')
    t.equal((await call('PATCH', `/memberships/${bob_here.id}`, { properties: { role: 'admin' } })).status, 200)
    t.match(await tenantry('members', 'add', 'carol', '--tenant', 'authzen', '--role', 'member'), {
      err: /role.not_in_set/,
    })
    for (const [id, properties] of Object.entries({ 'record-1': {}, 'record-2': { status: 'archived' } }))
      t.equal((await call('PUT', `/resources/record/${id}?tenant_id=${tenant_id}`, { properties })).status, 201)
    const permissions = ['tenantry.access:check', 'tenantry.membership:read']
    const key = (await call('POST', '/api-keys', { tenant_id, name: 'certification', permissions })).body as Key
    const ask = async (path: string, body: object): Promise<Answer> =>
      (await call('POST', `/access/v1/${path}`, body, key.secret)).body as Answer

    const [alice, bob] = ['alice', 'bob'].map((id) => ({ type: 'user', id }))
    const [read, write, remove] = ['read', 'write', 'delete'].map((name) => ({ name }))
    const record = (id: string, status?: string) => ({ type: 'record', id, ...(status && { properties: { status } }) })
    const admin = { type: 'user', id: 'alice', properties: { role: 'admin' } }
    const cases: [object | undefined, object, object, boolean][] = [
      [alice, { ...read }, record('record-1'), true],
      [alice, { ...write }, record('record-1'), true],
      [bob, { ...read }, record('record-1'), true],
      [bob, { ...write }, record('record-1'), false],
      [alice, { ...write }, record('record-1', 'active'), true],
      [alice, { ...write }, record('record-1', 'archived'), false],
      [alice, { ...write }, record('record-2'), false],
      [alice, { ...write }, record('record-unregistered', 'archived'), false],
      [admin, { ...write }, record('record-2', 'archived'), true],
      [bob, { ...write }, record('record-2', 'archived'), true],
      [alice, { ...remove, properties: { soft: true } }, record('record-1'), true],
      [alice, { ...remove, properties: { soft: false } }, record('record-1'), false],
      [alice, { ...remove }, record('record-1'), false],
      [bob, { ...remove, properties: { soft: true } }, record('record-1'), false],
    ]
    const context = { time: '2025-06-27T18:03-07:00' }
    for (const [subject, action, resource, decision] of cases) {
      const question = { subject, action, resource }
      t.match(await ask('evaluation', question), { decision }, JSON.stringify(question))
      t.match(await ask('evaluation', { ...question, context }), { decision }, 'a context changes nothing')
    }
    const evaluations = cases.map(([subject, action, resource]) => ({ subject, action, resource }))
    t.same(
      (await ask('evaluations', { evaluations })).evaluations.map(({ decision }) => decision),
      cases.map(([, , , decision]) => decision),
    )

    const archived = record('record-2', 'archived')
    const who = await ask('search/subject', { subject: { type: 'user' }, action: write, resource: archived })
    t.same(who.results, [bob])
    t.same((await ask('search/subject', { subject: { type: 'user' }, action: read, resource: archived })).results, [
      ...[alice, bob],
    ])
    const as_admin = { ...bob, properties: { role: 'admin' } }
    const what = await ask('search/resource', { subject: as_admin, action: write, resource: { type: 'record' } })
    t.same(what.results, [record('record-2')])
    t.same((await ask('search/action', { subject: as_admin, resource: archived })).results, [read, write])
    t.same((await ask('search/action', { subject: alice, resource: record('record-1') })).results, [read, write])
  },
)
