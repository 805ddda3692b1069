// What `tenantry migrate --plan` says of a statement.
import t from 'tap'
import { readMigrations } from '../../src/database/journal.ts'
import { planOf } from '../../src/database/planning.ts'

const waitsFor = (...statements: string[]): string[] =>
  planOf([{ name: 'one', statements, hash: '', when: 1 }]).flatMap(({ statements: planned }) =>
    planned.map(({ waits }) => waits),
  )

t.test('it says whom a lock keeps waiting', async (t) => {
  const said: [string, string][] = [
    ['alter table tenantry.tenants add column note text', 'everybody'],
    ['ALTER TABLE ONLY "tenantry"."tenants" DROP COLUMN "note"', 'everybody'],
    ['alter table tenantry.tenants validate constraint some', 'nobody'],
    ['alter table tenantry.a add constraint b foreign key (c) references tenantry.d (e) not valid', 'writers'],
    ['-- why\ncreate unique index "x" on "tenantry"."tenants" using btree ("id")', 'writers'],
    ['create index concurrently if not exists x on tenantry.tenants (id)', 'nobody'],
    ['drop index tenantry.x', 'everybody'],
    ['create policy scope on tenantry.tenants to tenantry_tenant using (true)', 'everybody'],
    ['create or replace function tenantry.f() returns void language sql as $$ select 1 $$', 'nobody'],
    ['grant select on tenantry.tenants to tenantry_platform', 'nobody'],
    ['do $$ begin execute something; end $$', 'unknown'],
  ]
  for (const [sql, waits] of said) t.same(waitsFor(sql), [waits], sql)
})

t.test('a table that is new is in nobody’s way', async (t) => {
  const [, index] = waitsFor('create table "tenantry"."fresh" (id uuid)', 'create index x on tenantry.fresh (id)')
  t.equal(index, 'nobody')
})

t.test('of our own migrations it can tell of nearly every statement', async (t) => {
  const planned = planOf(readMigrations()).flatMap(({ statements }) => statements)
  const unknown = planned.filter(({ waits }) => waits === 'unknown')
  t.ok(planned.length > 100)
  t.same(
    unknown.filter(({ sql }) => !/^do\b/i.test(sql)).map(({ does }) => does),
    [],
  )
})
