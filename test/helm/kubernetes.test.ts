// What helm and Kubernetes themselves say of the chart: `helm lint`, and the schemas of several versions.
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { KUBERNETES_VERSIONS } from './kubernetes-schemas.ts'
import { CHART, type Ended, GOLDEN, helm, VALUE_SETS, valuesOf } from './render.ts'
import { commandAt, SCHEMA_LOCATIONS } from './tools.ts'

// Of OpenShift, which publishes no schema of it.
const SKIPPED = 'Route'

const kubeconform = (version: string, input: { path?: string; text?: string }): Ended => {
  const schemas = SCHEMA_LOCATIONS.flatMap((location) => ['-schema-location', location])
  const args = ['-strict', '-summary', '-skip', SKIPPED, '-kubernetes-version', version, ...schemas, input.path ?? '-']
  return spawnSync(commandAt('kubeconform'), args, { encoding: 'utf8', ...(input.text && { input: input.text }) })
}

t.test('helm lint --strict has nothing to say', async (t) => {
  for (const name of VALUE_SETS.keys()) {
    const { status, stdout, stderr } = helm(['lint', '--strict', '--quiet', CHART, ...valuesOf(name)])
    t.equal(status, 0, `${name}\n${stdout}${stderr}`)
  }
})

for (const version of KUBERNETES_VERSIONS) {
  t.test(`Kubernetes ${version} knows everything that the chart makes`, async (t) => {
    const { status, stdout, stderr } = kubeconform(version, { path: GOLDEN })
    t.equal(status, 0, stdout + stderr)
    t.match(stdout, /Valid: 1\d\d, Invalid: 0, Errors: 0, Skipped: 1/)
  })
}

t.test('a mistake would be found', async (t) => {
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'x' }, spec: { typ: 'ClusterIP' } }
  const { status, stdout } = kubeconform('1.37.0', { text: JSON.stringify(service) })
  t.equal(status, 1)
  t.match(stdout, /additional properties 'typ' not allowed/)
})
