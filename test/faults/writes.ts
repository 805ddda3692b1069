// Mixed writes to a service that may be killed at any moment, and what it acknowledged of them: each names the revision that it
// became, so each can be looked for in the history afterwards.
import { PLATFORM } from '../../src/database/schema.ts'
import type { TestDatabase } from '../support/databases.ts'

/** What was answered with success. */
export interface Acknowledged {
  /** `<history>:<revision>`, as `Tenantry-Revision` has it. */
  revision: string
  /** The last event that the write appended. */
  type: string
}

interface Answer {
  status: number
  revision: string | null
  id: string
}

/** Where writes go, and with which credential. */
export interface Target {
  address: string
  credential: string
}

const write = async ({ address, credential }: Target, target: string, body?: object): Promise<Answer> => {
  const [method = 'POST', path = '/'] = target.split(' ')
  const response = await fetch(`${address}${path}`, {
    method,
    headers: { authorization: `Bearer ${credential}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const id = text === '' ? '' : JSON.parse(text).id
  return { status: response.status, revision: response.headers.get('tenantry-revision'), id }
}

type Note = (answer: Answer, type: string) => Answer

/** A tenant with its owner, and the life of a member there. */
const aLife = async (target: Target, tenant_id: string, user_id: string, note: Note): Promise<void> => {
  note(await write(target, 'POST /tenants', { name: 'Acme', owner: { user_id } }), 'membership.created')
  const { id } = note(await write(target, 'POST /memberships', { tenant_id, user_id }), 'membership.created')
  note(await write(target, `PATCH /memberships/${id}`, { roles: ['viewer', 'admin'] }), 'membership.updated')
  note(await write(target, 'POST /groups', { tenant_id, name: user_id }), 'group.created')
  note(await write(target, `POST /memberships/${id}/suspend`), 'membership.suspended')
  note(await write(target, `POST /memberships/${id}/reactivate`), 'membership.reactivated')
  note(await write(target, 'POST /memberships', { tenant_id, user_id: `${user_id}_stays` }), 'membership.created')
  note(await write(target, `DELETE /memberships/${id}`), 'membership.deleted')
}

interface Options {
  target: Target
  tenant_id: string
  /** No two streams may share it. */
  name: string
  /** Resolves `reached` when so many writes are acknowledged; more are under way. */
  enough: number
  acknowledged: Acknowledged[]
}

const WRITERS = 3
const MOST_LIVES = 500 // bounded: it ends even when nobody ends the service

/** @returns `reached`, and `broken`, which settles when the service has gone and rejects with any other answer than success */
export const writeUntilGone = ({ target, tenant_id, name, enough, acknowledged }: Options) => {
  let count = 0
  let reach: () => void = () => {}
  const reached = new Promise<void>((resolve) => {
    reach = resolve
  })
  const note: Note = (answer, type) => {
    if (answer.status >= 300 || answer.revision === null) throw new Error(`${type}: answered ${answer.status}`)
    acknowledged.push({ revision: answer.revision, type })
    if (++count === enough) reach()
    return answer
  }
  const writer = async (number: number): Promise<void> => {
    for (let life = 0; life < MOST_LIVES; life++) await aLife(target, tenant_id, `${name}_${number}_${life}`, note)
    throw new Error('the service was never ended')
  }
  const broken = Promise.all(
    Array.from({ length: WRITERS }, (_, number) =>
      writer(number).catch((error: unknown) => {
        if (!(error instanceof TypeError)) throw error // fetch's own, when nobody answers
      }),
    ),
  )
  return { reached: Promise.race([reached, broken]), broken }
}

/** What was acknowledged and is not in the history as that. */
export const lost = async (look: TestDatabase['superuser'], acknowledged: Acknowledged[]): Promise<Acknowledged[]> => {
  const rows = await look(`select history_id || ':' || revision as revision, type from tenantry.events`)
  const written = new Map(rows.map(({ revision, type }) => [revision, type]))
  return acknowledged.filter(({ revision, type }) => written.get(revision) !== type)
}

// Each row says which revision last changed it. A row without its event, or an event without its row, was written by halves.
const HALVES = `
  with told as (
    select history_id as tenant_id, data ->> 'membership_id' as id, max(revision) as revision,
      bool_or(type = 'membership.deleted') as is_deleted
    from tenantry.events where type like 'membership.%' group by 1, 2),
  rows as (
    select m.tenant_id::text, m.id::text, m.revision,
      exists (select from tenantry.membership_roles r where r.tenant_id = m.tenant_id and r.membership_id = m.id) as has_roles
    from tenantry.memberships m)
  select coalesce(told.id, rows.id) as membership, told.revision as told, rows.revision as row, has_roles
  from told full join rows on told.tenant_id::text = rows.tenant_id and told.id = rows.id
  where case when told.is_deleted then rows.id is not null
    else told.revision is distinct from rows.revision or has_roles is not true end
  union all
  select h.id::text, h.revision, null, null from tenantry.histories h
  where h.id <> '${PLATFORM}' and not exists (select from tenantry.tenants t where t.id::text = h.id::text)`

/** Memberships that are not what the history tells of them, and histories without their tenant. */
export const halves = (look: TestDatabase['superuser']): Promise<Record<string, unknown>[]> => look(HALVES)
