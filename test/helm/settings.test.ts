// The environment that the chart gives, read by what reads it.
import pg from 'pg'
import t from 'tap'
import { readConfig } from '../../src/config.ts'
import { type Container, containersOf, NAMES, objectsOf, oneOf, podsOf } from './objects.ts'

// Not settings of the service: of Node.js, of the driver for PostgreSQL, and of `tenantry migrate`.
const READ_ELSEWHERE = ['NODE_OPTIONS', 'PGUSER', 'PGPASSWORD', 'TENANTRY_SERVICE_PASSWORD']
// Out of everything.yaml, which shows that any may be given.
const EXTRA = ['PGAPPNAME', 'UV_THREADPOOL_SIZE']

const namesRead = (): Set<string> => {
  const names = new Set<string>()
  const get = (_: object, name: string): undefined => void names.add(name)
  readConfig(new Proxy({}, { get }))
  return names
}

t.test('every variable that the chart sets is a setting', async (t) => {
  const known = new Set([...namesRead(), ...READ_ELSEWHERE, ...EXTRA])
  for (const name of NAMES) {
    const objects = objectsOf(name)
    const ofPods = podsOf(objects).flatMap(({ spec }) => containersOf(spec).flatMap(({ env = [] }) => env))
    const maps = objects.filter(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'tenantry')
    const set = [...ofPods.map((variable) => variable.name), ...maps.flatMap(({ data = {} }) => Object.keys(data))]
    t.same(
      set.filter((variable) => !known.has(variable)),
      [],
      name,
    )
  }
})

t.test('the service takes the settings of the quick start', async (t) => {
  const objects = objectsOf('01-quickstart')
  const secrets = new Map(
    objects.flatMap(({ metadata, stringData }) => (stringData ? [[metadata.name, stringData]] : [])),
  )
  const { env = [] }: Partial<Container> = oneOf(objects, 'Deployment').spec.template?.spec.containers[0] ?? {}
  const given = ({ value, valueFrom }: (typeof env)[number]): string | undefined =>
    value ?? secrets.get(valueFrom?.secretKeyRef?.name ?? '')?.[valueFrom?.secretKeyRef?.key ?? '']
  const { data } = oneOf(objects, 'ConfigMap')
  const config = readConfig({ ...data, ...Object.fromEntries(env.map((one) => [one.name, given(one)])) })
  t.match(config, {
    host: '0.0.0.0',
    port: 3000,
    issuer: 'http://tenantry.tenants.svc',
    database_url: 'postgres://tenantry_service:service@postgres:5432/tenantry',
  })
  t.equal(config.encryption_key?.length, 32)
})

t.test('name and password beside the DSN reach the database, whatever characters they have', async (t) => {
  const { env = [] } = oneOf(objectsOf('03-cloudnative-pg'), 'Deployment').spec.template?.spec.containers[0] ?? {}
  const url = env.find(({ name }) => name === 'DATABASE_URL')?.value
  t.equal(
    url,
    'postgres://tenantry-db-rw:5432/tenantry?sslmode=verify-full&sslrootcert=/etc/tenantry/database-ca/ca.crt',
  )
  t.same(
    env.flatMap(({ name, valueFrom }) => (name.startsWith('PG') ? [valueFrom?.secretKeyRef] : [])),
    [
      { name: 'tenantry-service', key: 'username' },
      { name: 'tenantry-service', key: 'password' },
    ],
  )

  Object.assign(process.env, { PGUSER: 'tenantry_service', PGPASSWORD: 'p@ss:/?#word' })
  t.teardown(() => {
    delete process.env.PGUSER
    delete process.env.PGPASSWORD
  })
  const client = new pg.Client({ connectionString: url?.replace(/&sslrootcert.*/, '') ?? '' })
  t.match(client, { host: 'tenantry-db-rw', database: 'tenantry', user: 'tenantry_service', password: 'p@ss:/?#word' })
})
