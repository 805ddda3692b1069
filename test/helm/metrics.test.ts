// Alerts and dashboard ask in PromQL, and for metrics that the service has.
import { readFileSync } from 'node:fs'
import { parser } from '@prometheus-io/lezer-promql'
import t from 'tap'
import { operationsOf } from '../../src/http/contract.ts'
import { readContract } from '../../src/http/written-contract.ts'
import { aService } from '../support/service.ts'
import { objectsOf, oneOf } from './objects.ts'
import { CHART } from './render.ts'

interface Dashboard {
  panels: { title: string; targets: { expr: string }[] }[]
}

const rules =
  oneOf(objectsOf('10-observed-and-scaled'), 'PrometheusRule').spec.groups?.flatMap(({ rules }) => rules) ?? []
const { panels }: Dashboard = JSON.parse(readFileSync(`${CHART}/dashboards/tenantry.json`, 'utf8'))

/** What is asked, by what asks it. */
const QUERIES: [asker: string, query: string][] = [
  ...rules.map(({ alert, expr }): [string, string] => [alert, expr]),
  ...panels.flatMap(({ title, targets }) => targets.map(({ expr }): [string, string] => [title, expr])),
].map(([asker, query]) => [asker, query.replaceAll('$__rate_interval', '5m')])

/** Texts of a query by what they are in its grammar. */
const partsOf = (query: string, kind: string): string[] => {
  const found: string[] = []
  parser.parse(query).iterate({
    enter: ({ name, type, from, to }) =>
      void ((name === kind || (kind === 'error' && type.isError)) && found.push(query.slice(from, to))),
  })
  return found
}

/** The names of all series that a service gives. */
const namesServed = async (): Promise<Set<string>> => {
  const { text } = await (await aService(t)).root.get('/metrics')
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)]
  return new Set(
    types.flatMap(([, name = '', type]) =>
      type === 'histogram' ? ['_bucket', '_count', '_sum'].map((part) => name + part) : [name],
    ),
  )
}

t.test('every query is PromQL', async (t) => {
  t.ok(rules.length >= 5 && panels.length >= 5)
  for (const [asker, query] of QUERIES) t.same(partsOf(query, 'error'), [], `${asker}: ${query}`)
  t.not(partsOf('sum(rate(x[5m])', 'error').length, 0, 'what is not would be found')
})

t.test('every metric that is asked for is there', async (t) => {
  const served = await namesServed()
  for (const [asker, query] of QUERIES) {
    const asked = partsOf(query, 'VectorSelector').map((selector) => selector.replace(/\{.*/s, ''))
    t.ok(asked.length > 0, asker)
    for (const name of asked) t.ok(name === 'up' || served.has(name), `${asker}: ${name}`)
  }
})

t.test('every selector is of one release', async (t) => {
  const own = /namespace="tenants",job="tenantry-metrics"|namespace="\$namespace",job="\$job"/
  for (const [asker, query] of QUERIES)
    for (const selector of partsOf(query, 'VectorSelector')) t.match(selector, own, `${asker}: ${selector}`)
})

t.test('the operations that are asked for are those of the contract', async (t) => {
  const ids = operationsOf(readContract(new URL('../../openapi.yaml', import.meta.url))).map(
    ({ operation_id }) => operation_id,
  )
  const patterns = QUERIES.flatMap(([, query]) =>
    [...query.matchAll(/operation=~"([^"]*)"/g)].map(([, pattern]) => pattern),
  )
  for (const pattern of new Set(patterns.flatMap((alternatives = '') => alternatives.split(/\|(?![^(]*\))/))))
    t.ok(
      ids.some((id) => new RegExp(`^(${pattern})$`).test(id)),
      pattern,
    )
})

const operations = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')

t.test('every alert says what to do, under a title of docs/operations.md', async (t) => {
  for (const { alert, annotations } of rules) t.match(operations, `\n### ${annotations.runbook}\n`, alert)
})

t.test('the chart has every alert of docs/operations.md', async (t) => {
  const documented = [...operations.matchAll(/- alert: (\S+)/g)].map(([, name = '']) => name)
  t.ok(documented.length > 0)
  for (const name of documented)
    t.ok(
      rules.some(({ alert }) => alert === name),
      name,
    )
})

t.test('an alert can be left out, and others added', async (t) => {
  const names = oneOf(objectsOf('everything'), 'PrometheusRule').spec.groups?.[0]?.rules.map(({ alert }) => alert) ?? []
  t.notOk(names.includes('TenantryBadCredentials'))
  t.ok(names.includes('Mine'))
  t.equal(names.length, rules.length)
})
