// A release without a cluster: what its Job, its pod and its test would run, with their arguments and their environment, one
// after the other on a PostgreSQL server. Only addresses are replaced.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import t from 'tap'
import { serve } from '../operations/processes.ts'
import { findPostgres, startPostgres } from '../support/postgres-server.mjs'
import { type Container, objectsOf, oneOf, podsOf } from './objects.ts'

const objects = objectsOf('01-quickstart')
// The one Secret that the quick start has made beforehand.
const SECRETS: Record<string, Record<string, string>> = { 'tenantry-service': { password: 'service' } }
for (const { metadata, stringData } of objects) if (stringData) SECRETS[metadata.name] = stringData

const containerOf = (name: string): Container => {
  const found = podsOf(objects).flatMap(({ spec }) => spec.containers.filter((container) => container.name === name))
  if (!found[0]) throw new Error(`no container ${name}`)
  return found[0]
}

/** As the kubelet would put it together; the database is where it is here. */
const environmentOf = ({ env = [], envFrom = [] }: Container, database: string): Record<string, string> => {
  const given = env.map(({ name, value, valueFrom: { secretKeyRef } = {} }): [string, string] => [
    name,
    value ?? SECRETS[secretKeyRef?.name ?? '']?.[secretKeyRef?.key ?? ''] ?? '',
  ])
  const settings = envFrom.some(({ configMapRef }) => configMapRef) ? oneOf(objects, 'ConfigMap').data : {}
  const here = (value: string): string => value.replace('@postgres:5432', `@${database}`)
  return Object.fromEntries([...Object.entries(settings ?? {}), ...given].map(([name, value]) => [name, here(value)]))
}

const tenantry = (args: string[], env: Record<string, string>): { status: number | null; output: string } => {
  const cwd = fileURLToPath(new URL('../..', import.meta.url))
  const ended = spawnSync(process.execPath, ['bin/tenantry.mjs', ...args], { cwd, env, encoding: 'utf8' })
  return { status: ended.status, output: ended.stdout + ended.stderr }
}

const skip = !findPostgres() && 'needs PostgreSQL 15 or later (apt-get install postgresql)'

t.test('the Job migrates, the pod serves, and the test passes', { skip }, async (t) => {
  const server = await startPostgres()
  t.teardown(() => server.stop())
  const admin = new pg.Client(server.url)
  await admin.connect()
  await admin.query('create database tenantry')
  await admin.query("alter role postgres password 'postgres'") // as the quick start says
  await admin.end()
  const { host } = new URL(server.url)

  const migrate = containerOf('migrate')
  for (const expected of [/tenantry_service may work as the service/, /nothing to do/]) {
    const { status, output } = tenantry(migrate.args ?? [], environmentOf(migrate, host))
    t.equal(status, 0, output)
    t.match(output, expected)
  }

  const pod = serve(t, {
    ...environmentOf(containerOf('tenantry'), host),
    HOST: '127.0.0.1',
    PORT: '0',
    METRICS_PORT: '',
  })
  const address = await pod.listening
  t.ok(address, 'it listens')
  const smoke = (containerOf('smoke').args ?? []).map((arg) =>
    arg.replace('http://tenantry.tenants.svc:80', address ?? ''),
  )
  const { status, output } = tenantry(smoke, {})
  t.equal(status, 0, output)

  pod.child.kill('SIGTERM')
  t.equal((await pod.ended).code, 0, 'it ends when it is told')
})
