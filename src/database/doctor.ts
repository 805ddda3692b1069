// Is this database what the service needs? Questions only; each answers what it found, or what to do about it.
import { epochFault } from '../epochs/faults.ts'
import { readEpoch } from '../epochs/queries.ts'
import { roleFault, SERVICE_FUNCTIONS, schemaFault } from './migrations.ts'
import type { Database } from './scope.ts'

export interface Check {
  name: string
  ok: boolean
  detail: string
}

const OLDEST_VERSION = 150_000 // PostgreSQL 15, as server_version_num writes it

/** A token lives for minutes and ends on the second, so replicas and database should agree to about one. */
const CLOCKS_MAY_DIFFER_MS = 2_000

const pass = (name: string, detail: string): Check => ({ name, ok: true, detail })
const fail = (name: string, detail: string): Check => ({ name, ok: false, detail })

/** Stops at what makes the later questions pointless: no answer, or a role that may not even ask. */
export const examineDatabase = async (database: Database): Promise<Check[]> => {
  const checks: Check[] = []
  for (const { examine, decisive } of EXAMINATIONS) {
    const check = await examine(database)
    checks.push(check)
    if (decisive && !check.ok) break
  }
  return checks
}

const reachable = async (database: Database): Promise<Check> => {
  const name = 'database'
  try {
    const version = await database.call({
      name: 'doctor_version',
      text: `select json_build_object('number', current_setting('server_version_num')::int,
        'text', current_setting('server_version')) as value`,
    })
    const { number, text } = version as { number: number; text: string } // the query's own shape
    if (number < OLDEST_VERSION) return fail(name, `PostgreSQL ${text} is too old; 15 or later is needed`)
    return pass(name, `PostgreSQL ${text}${database.kind === 'embedded' ? ', embedded' : ''}`)
  } catch (error) {
    return fail(name, `does not answer (${innermost(error)}); check DATABASE_URL and the network`)
  }
}

const innermost = (error: unknown): string => {
  let inner = error
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause
  const { code, message } = inner as { code?: unknown; message?: unknown }
  return String(message || code || inner)
}

const loginRole = async (database: Database): Promise<Check> => {
  const name = 'login role'
  if (database.kind === 'embedded')
    return pass(name, 'embedded: every transaction switches to a role without rights of its own')
  const fault = await roleFault(database)
  if (fault !== undefined) return fail(name, fault)
  const missing = await database.call(
    {
      name: 'doctor_admitted',
      text: `select (select count(*) < 2 from pg_roles r
          where r.rolname in ('tenantry_tenant', 'tenantry_platform') and pg_has_role(session_user, r.oid, 'member'))
        or exists (select from pg_proc p join pg_namespace n on n.oid = p.pronamespace
          where n.nspname = 'tenantry' and p.proname = any($1::text[])
            and not has_function_privilege(session_user, p.oid, 'execute')) as value`,
    },
    SERVICE_FUNCTIONS.map((signature) => signature.split('(')[0]),
  )
  return missing === true
    ? fail(
        name,
        "may not work as the service; run `tenantry migrate --grant-to <this role>` with the owner's DATABASE_URL",
      )
    : pass(name, 'bound by row-level security')
}

const migrations = async (database: Database): Promise<Check> => {
  const fault = await schemaFault(database)
  return fault === undefined ? pass('migrations', 'current') : fail('migrations', fault)
}

const epoch = async (database: Database): Promise<Check> => {
  const present = await readEpoch(database)
  const fault = epochFault(present)
  return fault === undefined ? pass('epoch', `${present.number}`) : fail('epoch', fault)
}

const rowLevelSecurity = async (database: Database): Promise<Check> => {
  const name = 'row-level security'
  const found = await database.call({
    name: 'doctor_row_level_security',
    text: `select json_build_object('tables', count(*), 'open', coalesce(json_agg(c.relname order by c.relname)
        filter (where not (c.relrowsecurity and c.relforcerowsecurity
          and exists (select from pg_policy p where p.polrelid = c.oid))), '[]')) as value
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'tenantry' and c.relkind in ('r', 'p')`,
  })
  const { tables, open } = found as { tables: number; open: string[] } // the query's own shape
  if (tables === 0) return fail(name, 'there are no tables in the schema tenantry; run `tenantry migrate`')
  if (open.length === 0) return pass(name, `forced, with policies, on all ${tables} tables`)
  return fail(name, `not enabled, not forced or without a policy on: ${open.join(', ')}; nothing may turn it off`)
}

const clock = async (database: Database): Promise<Check> => {
  const before = Date.now()
  const there = await database.call({
    name: 'doctor_clock',
    text: `select (extract(epoch from clock_timestamp()) * 1000)::float8 as value`,
  })
  const after = Date.now()
  // The database looked at its clock at some moment between the two.
  const difference = Math.round(Number(there) < before ? before - Number(there) : Math.max(0, Number(there) - after))
  if (difference <= CLOCKS_MAY_DIFFER_MS) return pass('clock', `within ${difference} ms of the database's`)
  return fail(
    'clock',
    `${difference} ms away from the database's; keep both with NTP, because tokens end on the second`,
  )
}

const EXAMINATIONS: { examine: (database: Database) => Promise<Check>; decisive: boolean }[] = [
  { examine: reachable, decisive: true },
  { examine: loginRole, decisive: true },
  { examine: migrations, decisive: true },
  { examine: epoch, decisive: false },
  { examine: rowLevelSecurity, decisive: false },
  { examine: clock, decisive: false },
]
