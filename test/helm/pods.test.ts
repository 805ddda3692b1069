// What must be true of every pod, whatever the values.
import t from 'tap'
import { contractPaths } from './contract-paths.ts'
import { containersOf, NAMES, objectsOf, oneOf, podsOf } from './objects.ts'
import { violationsOf } from './pod-security.ts'

t.test('every pod passes Pod Security restricted', async (t) => {
  for (const name of NAMES)
    for (const pod of podsOf(objectsOf(name))) t.same(violationsOf(pod.spec), [], `${name}: ${pod.name}`)
})

t.test('Pod Security finds what it should', async (t) => {
  t.same(
    violationsOf({
      serviceAccountName: 'x',
      hostNetwork: true,
      volumes: [{ name: 'root', hostPath: { path: '/' } }],
      containers: [{ name: 'x', image: 'x', securityContext: { capabilities: { drop: ['ALL'], add: ['SYS_ADMIN'] } } }],
    }),
    [
      'shares a namespace of the host',
      'volume root is of a kind that is not allowed',
      'x may gain privileges',
      'x adds capabilities',
      'x may run as root',
      'x has no seccomp profile',
    ],
  )
})

t.test('our containers write nothing, have a memory limit and no cluster token', async (t) => {
  for (const name of NAMES.filter((name) => name !== 'everything')) {
    for (const { name: pod, spec } of podsOf(objectsOf(name))) {
      t.equal(spec.automountServiceAccountToken, false, `${name}: ${pod}`)
      for (const container of containersOf(spec).filter(({ image }) => /tenantry[:@]/.test(image))) {
        t.equal(container.securityContext?.readOnlyRootFilesystem, true, `${name}: ${container.name}`)
        t.ok(container.resources?.limits?.memory, `${name}: ${container.name} has a memory limit`)
      }
    }
  }
})

t.test('OpenShift chooses the numeric ids', async (t) => {
  for (const { name, spec } of podsOf(objectsOf('06-openshift'))) {
    const { runAsUser, runAsGroup, fsGroup, ...kept } = spec.securityContext ?? {}
    t.same([runAsUser, runAsGroup, fsGroup], [undefined, undefined, undefined], name)
    t.equal(kept.runAsNonRoot, true)
  }
})

t.test('one image for the service, its migrations and its test', async (t) => {
  for (const name of NAMES) {
    const images = podsOf(objectsOf(name)).flatMap(({ spec }) => containersOf(spec).map(({ image }) => image))
    t.equal(new Set(images.filter((image) => /tenantry[:@]/.test(image))).size, 1, name)
  }
})

t.test('a digest wins over the tag, and one registry replaces another', async (t) => {
  const [container] = podsOf(objectsOf('everything'))[0]?.spec.containers ?? []
  t.match(container?.image, /^registry\.example\.com\/tenantry\/tenantry@sha256:[0-9a-f]{64}$/)
})

t.test('probes ask what the contract has, and liveness never the database', async (t) => {
  const paths = contractPaths()
  for (const name of NAMES) {
    const [server] = oneOf(objectsOf(name), 'Deployment').spec.template?.spec.containers ?? []
    const asked = [server?.startupProbe, server?.livenessProbe, server?.readinessProbe].map(
      (probe) => probe?.httpGet.path,
    )
    t.same(asked, ['/livez', '/livez', '/readyz'], name)
    for (const path of asked) t.ok(path && paths.includes(path), `${path} is in the contract`)
  }
})

t.test('no pod goes before another is there', async (t) => {
  for (const name of NAMES) t.equal(oneOf(objectsOf(name), 'Deployment').spec.strategy?.rollingUpdate.maxUnavailable, 0)
})

t.test('the heap gets three quarters of the memory limit', async (t) => {
  const heapOf = (name: string): string | undefined =>
    oneOf(objectsOf(name), 'Deployment').spec.template?.spec.containers[0]?.env?.find(
      (variable) => variable.name === 'NODE_OPTIONS',
    )?.value
  t.equal(heapOf('02-existing-secrets'), '--max-old-space-size=384')
  t.equal(heapOf('05-restricted-namespace'), '--max-old-space-size=768')
})
