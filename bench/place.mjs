// What is measured: the built service on a PostgreSQL of its own, with tenants, members and keys in it.
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { migratePostgres } from '../dist/database/migrations.js'
import { startPostgres } from '../test/support/postgres-server.mjs'
import { CORES, startModule, startService } from './processes.mjs'

const TENANTS = 20
const MEMBERS = 10
const ISSUER = 'http://tenantry.bench'
const SERVICE = { name: 'tenantry_service', password: 'only-for-benchmarks-on-loopback' }

const withLogin = (url, { name, password }) => Object.assign(new URL(url), { username: name, password }).href

export const aPlace = async ({ node_args = [], more_settings = {} } = {}) => {
  const server = await startPostgres()
  await migratePostgres(server.url, SERVICE)
  const database_url = withLogin(server.url, SERVICE)
  const root = randomBytes(24).toString('base64url')
  const settings = {
    DATABASE_URL: database_url,
    TENANTRY_ISSUER: ISSUER,
    TENANTRY_ROOT_API_KEY: root,
    TENANTRY_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    TENANTRY_ALLOW_LOOPBACK_ISSUERS: 'true',
    TENANTRY_MAX_EVENT_LOOP_DELAY_MS: '0', // a machine that is shared turns no request away
    ...more_settings,
  }
  const service = await startService(settings, node_args)
  const post = (url, body) => request(service.address, root, 'POST', url, body)
  const tenants = []
  for (let number = 0; number < TENANTS; number++) tenants.push(await aTenant(post, number))
  const permissions = ['*', 'tenantry.*', 'tenantry.token:issue']
  const { secret } = await post('/api-keys', { name: 'bench', permissions })
  const { access_token } = await post('/tokens', { ...tenants[0].members[1], audience: ISSUER })
  const jwks = await request(service.address, root, 'GET', '/.well-known/jwks.json')
  // One change in the tenant of that token, after it: whoever follows revocations has something to look up.
  const { id } = await post('/memberships', { tenant_id: tenants[0].id, user_id: 'passing' })
  await post(`/memberships/${id}/suspend`)
  const feed = await feedOf(post, service)
  const user_ids = tenants.map(({ members }) => members[1].user_id)
  const provider = await startModule('identity-provider.mjs', { audience: 'bench', user_ids }, CORES?.load)
  const subjects = provider.ready
  await post('/issuers', {
    issuer: subjects.issuer,
    audiences: [subjects.audience],
    jwks_uri: `${subjects.issuer}/jwks`,
  })
  await analyse(server.url)
  return {
    ...{
      service,
      post,
      owner_url: server.url,
      database_url,
      issuer: ISSUER,
      secret,
      /** Holds every right. */
      root,
      tenants,
      access_token,
      jwks,
      feed,
      subjects,
    },
    /** One more service on the same database. */
    startReplica: (other_settings) => startService({ ...settings, ...other_settings }),
    postgres_version: await versionOf(server.url),
    async stop() {
      await provider.stop()
      await service.stop()
      await server.stop()
    },
  }
}

/** How a verifier follows revocations there. */
export const feedOf = async (post, { address }) => {
  const { secret } = await post('/api-keys', { name: 'a follower', permissions: ['tenantry.revocation:read'] })
  return { api_key: secret, stream_url: `${address}/revocations/stream`, snapshot_url: `${address}/revocations` }
}

const aTenant = async (post, number) => {
  const { id } = await post('/tenants', { name: `Tenant ${number}`, owner: { user_id: `user_${number}_0` } })
  const members = [{ tenant_id: id, user_id: `user_${number}_0` }]
  while (members.length < MEMBERS) {
    const member = { tenant_id: id, user_id: `user_${number}_${members.length}` }
    await post('/memberships', member)
    members.push(member)
  }
  return { id, members }
}

const request = async (address, credential, method, url, body) => {
  const response = await fetch(address + url, {
    method,
    headers: { authorization: `Bearer ${credential}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
  if (!response.ok) throw new Error(`${method} ${url} answered ${response.status}: ${await response.text()}`)
  return response.json()
}

export const onServer = async (url, sql) => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

const analyse = (url) => onServer(url, 'analyze')
const versionOf = async (url) => (await onServer(url, 'show server_version'))[0].server_version
