// The commands against a running service: one service for all tests.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { prepareDirectory } from '../support/databases.ts'
import { aDirectory, type End, run, runProcess, serve } from './command.ts'

const data_dir = aDirectory(t)
await prepareDirectory(data_dir)
const embedded = { TENANTRY_DATA_DIR: data_dir }
const service = await serve(t, embedded, '--seed')
const key = readFileSync(join(data_dir, 'root-api-key'), 'utf8').trim()
const env = { TENANTRY_URL: service.url, TENANTRY_API_KEY: key }
const tenantry = (...args: string[]): Promise<End> => run(args, env)
const json = async (...args: string[]) => JSON.parse((await tenantry(...args, '--json')).out)

t.test('without a terminal the service logs JSON, its demo tenants too', async (t) => {
  const demo = service.logged.filter(({ msg }) => msg === 'demo tenant').map(({ tenant }) => tenant)
  t.match(demo, [
    { slug: 'acme', members: { owner: 'user_olga', viewer: 'user_vera' } },
    { slug: 'globex', members: { admin: 'user_adam', member: 'user_mia' } },
  ])
})

t.test('creates tenants, adds members by slug, and lists both', async (t) => {
  const initech = await json('tenants', 'create', 'Initech', '--owner', 'user_bill', '--owner-email', 'bill@x.example')
  t.match(initech, { name: 'Initech', slug: 'initech', status: 'active' })
  const added = await tenantry(
    'members',
    'add',
    'user_peter',
    '--tenant',
    'initech',
    '--role',
    'admin',
    '--role',
    'viewer',
  )
  t.match(added, { code: 0, out: /user_peter[\s\S]*admin,viewer/ })
  t.match(await json('members', 'list', '--tenant', initech.id), {
    data: [{ user_id: 'user_bill', email: 'bill@x.example' }, { user_id: 'user_peter' }],
    next_cursor: null,
  })
  t.match(await tenantry('members', 'list', '--tenant', 'initech', '--role', 'owner'), {
    code: 0,
    out: /user_bill/,
    err: '',
  })
  t.match(await tenantry('tenants', 'list', '--q', 'INITECH'), { code: 0, out: /^ID .*NAME\n.*Initech\n$/ })
})

t.test('a list is read to its end, and a limit says that there is more', async (t) => {
  const { id } = await json('tenants', 'create', 'Big')
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const add = (i: number) =>
    fetch(`${service.url}/memberships`, {
      ...{ method: 'POST', headers },
      body: JSON.stringify({ tenant_id: id, user_id: `user_${i}` }),
    })
  await Promise.all(Array.from({ length: 205 }, (_, i) => add(i)))
  t.equal((await json('members', 'list', '--tenant', 'big')).data.length, 205)
  const cut = await tenantry('members', 'list', '--tenant', 'big', '--limit', '202', '--json')
  const { data, next_cursor } = JSON.parse(cut.out)
  t.equal(data.length, 202)
  t.type(next_cursor, 'string')
  t.equal(cut.err, 'The first 202; there are more.\n')
})

t.test('suspends a tenant and reactivates it', async (t) => {
  t.match(await json('tenants', 'suspend', 'globex', '--reason', 'Invoice overdue'), {
    slug: 'globex',
    status: 'suspended',
  })
  t.match(await json('tenants', 'reactivate', 'globex'), { status: 'active' })
})

t.test('makes an API key of a tenant, with which the tenant need not be named', async (t) => {
  const { secret } = await json('keys', 'create', 'back end', '--permission', 'tenantry.*', '--tenant', 'initech')
  const file = join(data_dir, 'tenant-key')
  writeFileSync(file, `${secret}\n`)
  const end = await run(['members', 'list', '--api-key-file', file, '--json'], { TENANTRY_URL: service.url })
  t.equal(JSON.parse(end.out).data.length, 2)
})

t.test('explains in words why somebody may or may not do something, and as JSON', async (t) => {
  const yes = await tenantry('explain', 'user_vera', 'invoice:read', '--tenant', 'acme', '--resource-id', 'inv_1')
  t.match(yes, { code: 0, err: '' })
  t.match(
    yes.out,
    /^Yes: user_vera may do invoice:read in acme\.\nWhy: the role viewer grants \*:read\. \(role_grants\)\n/,
  )
  t.match(yes.out, /\nAs of: [0-9a-f-]{36}:\d+, platform:\d+\n$/)
  const no = await tenantry('explain', 'user_vera', 'invoice:write', '--tenant', 'acme')
  t.match(no, {
    code: 0,
    out: /^No: user_vera may not do invoice:write in acme\.\nWhy: nothing that is held .*\(no_role_grants\)/,
  })
  t.match(await tenantry('explain', 'user_bill', 'invoice:read', '--tenant', 'acme'), { out: /no such member/ })
  t.match(await json('explain', 'user_vera', 'invoice:write', '--tenant', 'acme'), {
    subject: { type: 'user', id: 'user_vera' },
    permission: 'invoice:write',
    decision: false,
    reason: { code: 'no_role_grants', permission: 'invoice:write' },
    revisions: { platform: Number },
  })
  const { id } = await json('keys', 'create', 'reader', '--permission', 'invoice:*', '--tenant', 'acme')
  const machine = await tenantry('explain', `api_key:${id}`, 'invoice:read', '--tenant', 'acme')
  t.match(machine, { code: 0, out: /the API key was given invoice:\*\. \(key_grants\)/ })
  for (const permission of ['invoice', 'invoice:', ':read', 'a:b:c']) {
    t.match(
      await tenantry('explain', 'user_vera', permission),
      { code: 2, err: /a resource and an action/ },
      permission,
    )
  }
  t.match(await tenantry('explain', 'user_vera', 'invoice:read'), { code: 1, err: /tenant.required/ })
})

t.test('explains what policies and logins make of it, when it is told what the check would say', async (t) => {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const text = 'forbid (principal, action == Action::"invoice:read", resource) when { context.amount > 100 };'
  const { data } = await json('tenants', 'list')
  const { id: tenant_id } = data.find(({ slug }: { slug: string }) => slug === 'acme')
  const body = JSON.stringify({ tenant_id, key: 'small-ones', text })
  t.equal((await fetch(`${service.url}/policies`, { method: 'POST', headers, body })).status, 201)
  const explained = (context: string) =>
    tenantry('explain', 'user_vera', 'invoice:read', '--tenant', 'acme', '--context', context)
  t.match(await explained('{"amount": 100}'), { code: 0, out: /^Yes: / })
  t.match(await explained('{"amount": 101, "explain": false}'), {
    code: 0,
    out: /^No: .*\nWhy: the policy small-ones /,
  })
  for (const wrong of ['amount=1', '[]', 'null', '7'])
    t.match(await explained(wrong), { code: 2, err: /It is an object in JSON/ }, wrong)
})

t.test('on this machine the embedded root key is found, elsewhere it is not sent', async (t) => {
  t.equal((await run(['tenants', 'list'], { ...embedded, TENANTRY_URL: service.url })).code, 0)
  const elsewhere = await runProcess(['tenants', 'list'], { ...embedded, TENANTRY_URL: 'http://tenantry.invalid' })
  t.match(elsewhere, { code: 78, err: /TENANTRY_API_KEY is not set/ })
  const other = await run(['tenants', 'list'], { ...embedded, TENANTRY_URL: 'http://127.0.0.1:9' })
  t.match(other, { code: 78, err: /TENANTRY_API_KEY is not set/ }, 'nor to another port of this machine')
  t.equal((await run(['tenants', 'list'], { ...embedded, TENANTRY_URL: '' })).code, 0, 'whose address need not be said')
})

t.test('a problem is printed with its code, its detail and what it points at', async (t) => {
  const words = await tenantry('tenants', 'create', 'Initech', '--slug', 'www')
  t.match(words, { code: 1, out: '', err: /cannot be slugs.* \(tenant.slug_reserved\)\n {2}\/slug: "www" is reserved/ })
  const machine = await tenantry('tenants', 'create', 'Initech', '--slug', 'www', '--json')
  t.match(JSON.parse(machine.err), { code: 'tenant.slug_reserved', status: 422, errors: [{ pointer: '/slug' }] })
  t.match(await tenantry('members', 'list', '--tenant', 'nobody'), { code: 1, err: /no tenant with the slug "nobody"/ })
  const unknown = await run(['tenants', 'list'], { ...env, TENANTRY_API_KEY: 'wrong' })
  t.match(unknown, { code: 1, err: /does not accept the key from TENANTRY_API_KEY/ })
})

t.test('what is wrongly used ends with 2, what is wrongly set with 78, silence with 1', async (t) => {
  t.match(await runProcess(['tenants', 'bogus'], env), { code: 2, err: /unknown command/ })
  t.match(await tenantry('tenants', 'list', '--limit', '0'), { code: 2, err: /whole number/ })
  t.match(await tenantry('tenants', 'list', '--url', 'nowhere'), { code: 2, err: /--url must be a URL/ })
  t.match(await run(['tenants', 'list'], { ...env, TENANTRY_URL: 'nowhere' }), {
    code: 78,
    err: /TENANTRY_URL must be/,
  })
  const broken = await run(['tenants', 'list'], { ...env, TENANTRY_API_KEY: 'se cret' })
  t.match(broken, { code: 78, err: /holds no API key/ })
  t.notMatch(broken.err, /se cret/)
  t.match(await run(['tenants', 'list'], { ...env, TENANTRY_URL: 'http://127.0.0.1:9' }), {
    code: 1,
    err: /Nothing answers/,
  })
})

t.test('members, keys and tenants from their beginning to their end', async (t) => {
  await tenantry('tenants', 'create', 'Hooli', '--owner', 'user_gavin')
  const { id } = await json('members', 'add', 'user_nelson', '--tenant', 'hooli')
  t.match(await json('members', 'update', id, '--role', 'admin', '--expires-at', '2100-01-01T00:00:00Z'), {
    roles: ['admin'],
    expires_at: '2100-01-01T00:00:00.000Z',
  })
  t.match(await json('members', 'update', id, '--expires-at', 'never'), { roles: ['admin'], expires_at: null })
  t.match(await tenantry('members', 'update', id), { code: 2, err: /nothing to change/ })
  t.match(await json('members', 'suspend', id, '--reason', 'on leave'), { status: 'suspended' })
  t.match(await json('members', 'reactivate', id), { status: 'active' })
  t.match(await json('members', 'sign-out', id), { signed_out_at: String })
  t.match(await tenantry('members', 'remove', id), { code: 0, out: `${id} is removed\n` })
  t.match(await tenantry('members', 'remove', id), { code: 1, err: /membership.not_found/ })
  const [owner] = (await json('members', 'list', '--tenant', 'hooli')).data
  t.match(await tenantry('members', 'remove', owner.id), { code: 1, err: /membership.last_owner/ })

  const made = await json('keys', 'create', 'job', '--permission', 'invoice:read', '--tenant', 'hooli')
  const listed = await tenantry('keys', 'list', '--tenant', 'hooli')
  t.match(listed, { code: 0, out: new RegExp(`${made.id}.* job `) })
  t.notMatch(listed.out, made.secret)
  t.match(await tenantry('keys', 'revoke', made.id), { code: 0, out: `${made.id} is revoked\n` })
  t.same((await json('keys', 'list', '--tenant', 'hooli')).data, [])

  t.match(await json('tenants', 'delete', 'hooli'), { status: 'deletion_scheduled', deletes_at: String })
  t.match(await json('tenants', 'restore', 'hooli'), { status: 'active', deletes_at: null })
})

t.test('roles from their beginning to their end, tried before they are changed', async (t) => {
  await tenantry('tenants', 'create', 'Umbrella', '--owner', 'user_oz')
  const create = ['roles', 'create', 'courier', '--tenant', 'umbrella', '--name', 'Courier']
  const role = await json(...create, '--permission', 'parcel:*', '--exclude', 'parcel:burn')
  t.match(role, { key: 'courier', name: 'Courier', permissions: ['parcel:*'], excludes: ['parcel:burn'] })
  await tenantry('members', 'add', 'user_fry', '--tenant', 'umbrella', '--role', 'courier')
  t.match(await tenantry('roles', 'list', '--tenant', 'umbrella'), { code: 0, out: /courier +parcel:\* +parcel:burn/ })

  const change = ['roles', 'update', role.id, '--permission', 'parcel:read']
  t.match(await tenantry(...change, '--dry-run'), { code: 0, out: /user_fry +- +parcel:\*/ })
  t.same((await json(...change, '--dry-run')).changes[0].loses, ['parcel:*'])
  t.match(await json(...change), { permissions: ['parcel:read'], excludes: ['parcel:burn'] })
  t.match(await tenantry('roles', 'update', role.id), { code: 2, err: /nothing to change/ })

  t.match(await tenantry('roles', 'delete', role.id), { code: 1, err: /One membership holds this role/ })
  const heir = ['roles', 'delete', role.id, '--remap-to', 'viewer']
  t.match(await tenantry(...heir, '--dry-run'), { code: 0, out: /user_fry +\*:read,tenantry.tenant:read/ })
  t.match(await tenantry(...heir), { code: 0, out: `${role.id} is deleted\n` })
  t.match((await json('members', 'list', '--tenant', 'umbrella')).data[1], { user_id: 'user_fry', roles: ['viewer'] })
})

t.test('a member is named by the user id and the tenant, or by the membership’s id', async (t) => {
  await tenantry('tenants', 'create', 'Stark', '--owner', 'user_ned')
  await tenantry('tenants', 'create', 'Frey', '--owner', 'user_ned')
  await tenantry('members', 'add', 'user_arya', '--tenant', 'stark')
  const at = ['--tenant', 'stark']
  t.match(await json('members', 'update', 'user_arya', ...at, '--role', 'viewer'), { roles: ['viewer'] })
  const { id } = await json('members', 'suspend', 'user_arya')
  t.match(await json('members', 'reactivate', id, ...at), { id, user_id: 'user_arya' })
  t.match(await tenantry('members', 'sign-out', 'user_ned'), { code: 2, err: /several tenants: say with --tenant/ })
  t.match(await json('members', 'sign-out', 'user_ned', '--tenant', 'frey'), { user_id: 'user_ned' })
  t.match(await tenantry('members', 'remove', 'user_arya', '--tenant', 'frey'), { code: 1, err: /no member of frey/ })
  t.match(await tenantry('members', 'remove', 'user_arya', ...at), { code: 0, out: `${id} is removed\n` })
  await tenantry('members', 'add', id, ...at)
  t.match(await json('members', 'suspend', id, ...at), { user_id: id }, 'a user id may look like any other id')
})

t.test('changes a tenant’s name, slug and set of roles', async (t) => {
  await tenantry('tenants', 'create', 'Wayne')
  t.match(await json('tenants', 'update', 'wayne', '--name', 'Wayne Ltd', '--slug', 'wayne-ltd'), {
    ...{ name: 'Wayne Ltd', slug: 'wayne-ltd', role_set: null },
  })
  t.match(await tenantry('tenants', 'update', 'wayne-ltd'), { code: 2, err: /nothing to change/ })
  t.match(await tenantry('tenants', 'update', 'wayne-ltd', '--role-set', 'gold'), { code: 1, err: /role_set.unknown/ })
  t.match(await json('tenants', 'update', 'wayne-ltd', '--role-set', 'none'), { role_set: null })
})

t.test('issuers are added, listed and removed', async (t) => {
  const url = 'https://login.stark.example'
  const added = await json('issuers', 'add', url, '--audience', 'app', '--algorithm', 'ES256', '--tenant', 'stark')
  t.match(added, { issuer: url, audiences: ['app'], algorithms: ['ES256'], user_id_prefix: /./ })
  t.match(await tenantry('issuers', 'list', '--tenant', 'stark'), {
    code: 0,
    out: new RegExp(`${added.id}.*${url} +app`),
  })
  t.match(await tenantry('issuers', 'add', url), { code: 2, err: /--audience/ })
  t.match(await tenantry('issuers', 'remove', added.id), { code: 0, out: `${added.id} is removed\n` })
  t.same((await json('issuers', 'list', '--tenant', 'stark')).data, [])
})

t.test('a token is issued alone on a line', async (t) => {
  const issued = await tenantry('tokens', 'issue', 'user_ned', '--tenant', 'stark', '--audience', 'https://x.example')
  t.match(issued, { code: 0, out: /^eyJ[\w-]+\.[\w-]+\.[\w-]+\n$/ })
  const inspected = await run(['tokens', 'inspect'], { TENANTRY_URL: service.url }, issued.out)
  t.match(inspected, { code: 0, out: /sub +user_ned/ })
  t.match(await json('tokens', 'issue', 'user_ned', '--tenant', 'stark', '--ttl', '60'), { expires_in: 60 })
})

t.test('the end of a history is shown as a table, whatever its length', async (t) => {
  await tenantry('tenants', 'create', 'Oscorp', '--owner', 'user_norman')
  const revisions = async (...args: string[]): Promise<number[]> =>
    (await json('events', 'list', '--tenant', 'oscorp', ...args)).data.map(
      ({ revision }: { revision: number }) => revision,
    )
  t.same(await revisions(), [1, 2])
  for (const [index, count] of [3, 4, 5, 6, 7].entries()) {
    await tenantry('members', 'add', `user_${index}`, '--tenant', 'oscorp')
    t.same(await revisions('--last', '2'), [count - 1, count])
  }
  t.same(await revisions('--after', '5'), [6, 7])
  t.same(await revisions('--last', '7', '--type', 'tenant.created'), [1])
  const table = await tenantry('events', 'list', '--tenant', 'oscorp', '--last', '1')
  t.match(table, {
    code: 0,
    out: /^REVISION +CREATED_AT +TYPE +ACTOR +DATA\n7 .*membership\.created +api_key .*"roles":\["member"\]/,
  })
})

t.test('what a person can do about an error is said in words of the command line', async (t) => {
  for (const args of [
    ['members', 'add', 'user_x'],
    ['tokens', 'issue', 'user_x'],
  ]) {
    const end = await tenantry(...args)
    t.match(end, { code: 1, err: /say with --tenant which one is meant\. \(tenant\.required\)/ })
    t.notMatch(end.err, /tenant_id/)
  }
  for (const when of ['tomorrow', '2027-01-31', '2027-13-01T00:00:00Z', '2027-01-31T18:00:00']) {
    const end = await tenantry('members', 'add', 'user_x', '--tenant', 'stark', '--expires-at', when)
    t.match(end, { code: 2, err: /--expires-at.*e\.g\. 2027-01-31T18:00:00Z/ }, when)
  }
  const added = await json('members', 'add', 'user_x', '--tenant', 'stark', '--expires-at', '2100-01-31T18:00+01:00')
  t.equal(added.expires_at, '2100-01-31T17:00:00.000Z')
})

t.test('--help explains itself without loading a database', async (t) => {
  const end = await runProcess(['--help'], { NODE_DEBUG: 'esm,module' })
  t.match(end, { code: 0, out: /TENANTRY_URL[\s\S]*Exit status/ })
  for (const command of [
    'serve',
    'migrate',
    'doctor',
    'smoke',
    'verify-history',
    'tenants',
    'members',
    'roles',
    'keys',
    'issuers',
    'tokens',
    'events',
    'apply',
    'export',
  ]) {
    t.match(end.out, new RegExp(`^ {2}${command} `, 'm'))
  }
  t.match(end.err, /node_modules\/commander/, 'what is loaded is named on stderr')
  t.notMatch(end.err, /pglite|drizzle|fastify/)
})

t.test('inspects a token: what it says, whether it is valid, and never its signature', async (t) => {
  const { data } = await json('tenants', 'list', '--q', 'acme')
  const response = await fetch(`${service.url}/tokens`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ tenant_id: data[0].id, user_id: 'user_vera', audience: 'https://invoices.example' }),
  })
  const { access_token } = (await response.json()) as { access_token: string }
  const [header, payload, signature = ''] = access_token.split('.')
  const inspect = (token: string, ...args: string[]) =>
    run(['tokens', 'inspect', ...args], { TENANTRY_URL: service.url }, token)

  const valid = await inspect(access_token)
  t.match(valid, { code: 0, out: /sub +user_vera[\s\S]*in [45] minutes[\s\S]*the token's own word[\s\S]*\nvalid: / })
  t.notOk(valid.out.includes(signature))
  t.match(await inspect(access_token, '-', '--audience', 'https://invoices.example'), {
    code: 0,
    out: /audience +https:\/\/invoices.example\n/,
  })
  t.match(await inspect(access_token, '--audience', 'https://other.example'), {
    code: 1,
    out: /not valid: .*\(audience\)/,
  })
  const forged = await inspect(`${header}.${payload}.${'A'.repeat(signature.length)}`, '--json')
  t.equal(forged.code, 1)
  t.match(JSON.parse(forged.out), {
    valid: false,
    reason: 'signature',
    claims: { tenant_slug: 'acme' },
    audience_given: false,
  })
  t.match(await inspect('tnt_secret'), { code: 1, out: /not valid: .*\(malformed\)/ })
  t.match(await inspect(''), { code: 2, err: /There is no token/ })
  t.match(await inspect(access_token, '--issuer', 'http://127.0.0.1:9'), { code: 1, out: '', err: /cannot be judged/ })
})
