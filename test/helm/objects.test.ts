// How the objects of a release refer to each other.
import t from 'tap'
import { contractPaths } from './contract-paths.ts'
import { containersOf, type KubernetesObject, NAMES, objectsOf, oneOf, podsOf } from './objects.ts'

const SELECTED_BY = ['app.kubernetes.io/component', 'app.kubernetes.io/instance', 'app.kubernetes.io/name']

const selectorOf = ({ kind, spec }: KubernetesObject): Record<string, string> | undefined => {
  if (kind === 'Service') return spec.selector
  return spec?.selector?.matchLabels ?? spec?.podSelector?.matchLabels
}

const isSelected = (labels: Record<string, string>, selector: Record<string, string>): boolean =>
  Object.entries(selector).every(([key, value]) => labels[key] === value)

t.test('selectors hold nothing that a release may change, and find the pods they are for', async (t) => {
  for (const name of NAMES) {
    const objects = objectsOf(name)
    for (const object of objects.filter(({ kind }) => kind !== 'ServiceMonitor')) {
      const selector = selectorOf(object)
      if (!selector) continue
      t.same(Object.keys(selector).sort(), SELECTED_BY, `${name}: ${object.kind} ${object.metadata.name}`)
      const found = podsOf(objects).filter(({ labels }) => isSelected(labels, selector))
      t.equal(found.length, 1, `${name}: ${object.kind} ${object.metadata.name} finds one pod`)
    }
  }
})

t.test('the ServiceMonitor finds the Service of the metrics, and no other', async (t) => {
  const objects = objectsOf('10-observed-and-scaled')
  const selector = oneOf(objects, 'ServiceMonitor').spec.selector?.matchLabels ?? {}
  const found = objects.filter(({ kind, metadata }) => kind === 'Service' && isSelected(metadata.labels, selector))
  t.same(
    found.map(({ metadata }) => metadata.name),
    ['tenantry-metrics'],
  )
})

/** When an object of a release is made: with the others, or as a hook before them. */
const turnOf = ({ metadata: { annotations = {} } }: KubernetesObject): number => {
  const isHook = annotations['helm.sh/hook'] === 'pre-install,pre-upgrade' || annotations['argocd.argoproj.io/hook']
  const weight = annotations['helm.sh/hook-weight'] ?? annotations['argocd.argoproj.io/sync-wave']
  return isHook ? Number(weight) - 100 : 0
}

const referredTo = (job: KubernetesObject): string[] => {
  const spec = job.spec.template?.spec
  if (!spec) return []
  const env = containersOf(spec).flatMap((container) => container.env ?? [])
  const from = containersOf(spec).flatMap((container) => container.envFrom ?? [])
  return [
    `ServiceAccount/${spec.serviceAccountName}`,
    ...env.flatMap(({ valueFrom }) => (valueFrom?.secretKeyRef ? [`Secret/${valueFrom.secretKeyRef.name}`] : [])),
    ...from.flatMap(({ secretRef }) => (secretRef ? [`Secret/${secretRef.name}`] : [])),
    ...from.flatMap(({ configMapRef }) => (configMapRef ? [`ConfigMap/${configMapRef.name}`] : [])),
  ]
}

t.test('the migration comes first, and what it refers to before it', async (t) => {
  let jobs = 0
  for (const name of NAMES) {
    const objects = objectsOf(name)
    for (const job of objects.filter(({ kind }) => kind === 'Job')) {
      jobs += 1
      t.ok(turnOf(job) < 0, `${name}: before what serves`)
      for (const reference of referredTo(job)) {
        const made = objects.find(({ kind, metadata }) => `${kind}/${metadata.name}` === reference)
        if (made) t.ok(turnOf(made) < turnOf(job), `${name}: ${reference} is there before the Job`)
        else t.match(reference, /^Secret\/tenantry-(owner|service)$/, `${name}: ${reference} is not the release's`)
      }
    }
  }
  t.equal(jobs, NAMES.length - 2)
})

t.test('Argo CD and helm each have hooks of their own', async (t) => {
  const annotationsIn = (name: string): string[] =>
    objectsOf(name).flatMap(({ kind, metadata }) => (kind === 'Job' ? Object.keys(metadata.annotations ?? {}) : []))
  t.ok(annotationsIn('02-existing-secrets').every((key) => key.startsWith('helm.sh/')))
  t.ok(annotationsIn('04-argocd').every((key) => key.startsWith('argocd.argoproj.io/')))
})

t.test('secrets are values only in the quick start', async (t) => {
  for (const name of NAMES) {
    const objects = objectsOf(name)
    const values = podsOf(objects).flatMap(({ spec }) => containersOf(spec).flatMap(({ env = [] }) => env))
    const isTry = name === '01-quickstart'
    t.equal(
      objects.some(({ kind }) => kind === 'Secret'),
      isTry,
      name,
    )
    t.notOk(
      values.some(({ value = '' }) => /:\/\/[^/]*:[^/]*@/.test(value)),
      `${name}: no password in an environment`,
    )
  }
})

t.test('the Job and the service never read the same key of the same Secret', async (t) => {
  for (const name of NAMES) {
    const databaseOf = (container: string): unknown[] =>
      podsOf(objectsOf(name)).flatMap(({ spec }) =>
        containersOf(spec)
          .filter((one) => one.name === container)
          .flatMap(({ env = [] }) => env.filter((variable) => /^(DATABASE_URL|PGUSER)$/.test(variable.name))),
      )
    t.notSame(databaseOf('migrate'), databaseOf('tenantry'), name)
  }
})

t.test('the public paths lead somewhere', async (t) => {
  const paths = contractPaths()
  const shown = oneOf(objectsOf('08-public-paths'), 'Ingress').spec.rules?.flatMap(({ http }) => http.paths) ?? []
  // `Prefix` is meant of whole elements: /t leads to /t/{tenant_id}, not to /tenants.
  const leadsTo = (path: string, known: string): boolean => known === path || known.startsWith(`${path}/`)
  t.ok(shown.length > 0)
  for (const { path } of shown)
    t.ok(
      paths.some((known) => leadsTo(path, known)),
      path,
    )
  for (const inside of ['/tenants', '/metrics', '/api-keys'])
    t.notOk(
      shown.some(({ path }) => leadsTo(path, inside)),
      `${inside} stays inside`,
    )
})
