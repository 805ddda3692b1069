// What is asked of a database of a given size, and what that takes: each request by itself through the API, one after the other, with
// the processor time of PostgreSQL beside the time it took, because a busy machine makes the latter longer and not the former.
import { readdirSync, readFileSync } from 'node:fs'
import { onServer } from './place.mjs'
import { summary } from './table.mjs'

const TICK_MS = 10 // Linux, everywhere

const ticksOf = (pid) => {
  const [ppid, ...rest] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(1)
  return { ppid: Number(ppid), ticks: Number(rest[9]) + Number(rest[10]) }
}

/** Milliseconds of processor time of a PostgreSQL server: its first process and the children that live now. */
export const postgresCpuMs = (postmaster) =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        const { ppid, ticks } = ticksOf(pid)
        return ppid === postmaster ? ticks * TICK_MS : 0
      } catch {
        return 0 // it ended while we looked
      }
    })
    .reduce((sum, ms) => sum + ms, 0)

/** The first process of a server. */
export const postmasterOf = async (url) => {
  const [{ file }] = await onServer(url, `select pg_read_file('postmaster.pid') as file`)
  return Number(file.split('\n')[0])
}

/** `count` requests one by one. `request` gets a number and answers what fetch() takes. */
export const timeOf = async ({ address, secret, postmaster }, count, request) => {
  const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' }
  const took = []
  const before = postgresCpuMs(postmaster)
  for (let number = 0; number < count; number++) {
    const { path, body } = request(number)
    const began = performance.now()
    const answer = await fetch(address + path, {
      ...{ headers, method: body ? 'POST' : 'GET' },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    if (!answer.ok && answer.status !== 503) throw new Error(`${path}: ${answer.status} ${text}`)
    took.push({ ms: performance.now() - began, status: answer.status })
  }
  const cpu_ms = (postgresCpuMs(postmaster) - before) / count
  return {
    ms: summary(took.map(({ ms }) => ms)).median,
    cpu_ms,
    refused: took.filter(({ status }) => status === 503).length,
  }
}

/** What is asked, by name; `people` are some {tenant_id, id, user_id, email}, and the tenant of a fifth of all. */
export const questionsFor = (people, large) => {
  const person = (number) => people[number % people.length]
  const list = (query) => ({ path: `/memberships?${new URLSearchParams({ limit: '50', ...query })}` })
  return {
    'a check that is not in memory': (n) => ({
      path: '/access/v1/evaluation',
      body: {
        subject: { type: 'user', id: person(n).user_id },
        action: { name: 'read' },
        resource: { type: 'invoice', id: '1' },
        context: { tenant_id: person(n).tenant_id },
      },
    }),
    'one membership by its id': (n) => ({ path: `/memberships/${person(n).id}` }),
    'a page of a tenant': (n) => list({ tenant_id: person(n).tenant_id }),
    'a page of the tenant of a fifth': () => list({ tenant_id: large }),
    'all of a user (user_id=)': (n) => list({ user_id: person(n).user_id }),
    'by e-mail in a tenant': (n) => list({ tenant_id: person(n).tenant_id, email: person(n).email }),
    'a membership created': (n) => ({
      path: '/memberships',
      body: { tenant_id: person(n).tenant_id, user_id: `made_${process.pid}_${performance.now()}_${n}` },
    }),
    'those who hold a role that nobody holds, in the tenant of a fifth': () =>
      list({ tenant_id: large, role: 'viewer' }),
    'by e-mail without a tenant': (n) => list({ email: person(n).email }),
    'tenants by a part of their name (q=)': (n) => ({ path: `/tenants?limit=50&q=enant%20${(n * 37) % 10_000}` }),
  }
}

/** Bytes of the tables and of their indexes, those that grow with memberships. */
export const sizes = (sql) =>
  sql(`select c.relname as name, c.reltuples::bigint as rows, pg_table_size(c.oid)::bigint as heap, pg_indexes_size(c.oid)::bigint as indexes
    from pg_class c where c.relnamespace = 'tenantry'::regnamespace and c.relkind = 'r' and pg_total_relation_size(c.oid) > 1e6
    order by pg_total_relation_size(c.oid) desc`)
