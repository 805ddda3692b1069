// Values that are not right stop the install before anything is made, and say why.
import t from 'tap'
import { CHART, helm, template, valuesOf } from './render.ts'

const WRONG: [title: string, args: string, message: RegExp][] = [
  ['an unknown setting', 'config.isuer=https://x.example', /additional properties 'isuer' not allowed/],
  ['an unknown part', 'postgresql.enabled=true', /additional properties 'postgresql' not allowed/],
  ['an issuer with a slash at the end', 'config.issuer=https://x.example/', /config\/issuer/],
  ['an issuer that is no URL', 'config.issuer=x.example', /config\/issuer/],
  ['a bound that the service would refuse', 'config.stalenessMs=60000', /config\/stalenessMs/],
  ['a log level that there is not', 'config.logLevel=verbose', /config\/logLevel/],
  ['a text for a number', 'replicaCount=two', /replicaCount/],
  ['a digest that is a tag', 'image.digest=latest', /image\/digest/],
  ['a mode that there is not', 'migrations.mode=post-install', /migrations\/mode/],
  ['a short root key', 'credentials.rootApiKey=short', /credentials\/rootApiKey/],
  ['labels that selectors use', 'commonLabels.app\\.kubernetes\\.io/name=x', /invalid propertyName/],
  ['no issuer', 'config.issuer=', /config\.issuer is required/],
  ['no credentials', 'credentials.existingSecret=', /credentials\.existingSecret is required/],
  ['no database', 'database.existingSecret=', /database\.existingSecret is required/],
  [
    'no owner of the database',
    'migrations.database.existingSecret=',
    /migrations\.database\.existingSecret is required/,
  ],
  ['one role for service and owner', 'migrations.database.existingSecret=tenantry-database', /are the same role/],
  ['a DSN twice', 'database.url=postgres://x@y/z', /database\.url goes neither/],
  ['a way past the pooler without a host', 'database.directHost=postgres', /directHost goes with database\.host/],
  ['a pool that the service would refuse', 'database.pool=0', /database\/pool/],
  ['both bounds of a budget', 'pdb.minAvailable=1', /exclude each other/],
  ['fewer at most than at least', 'autoscaling.enabled=true,autoscaling.maxReplicas=1', /is more than/],
  [
    'monitors of metrics that are off',
    'metrics.enabled=false,metrics.serviceMonitor.enabled=true',
    /need metrics\.enabled/,
  ],
  ['no time to finish', 'terminationGracePeriodSeconds=5', /must be more than preStopSleepSeconds/],
  ['no time to finish after draining', 'config.drainDelayMs=45000', /must be more than preStopSleepSeconds/],
  ['a route without a gateway', 'gateway.httpRoute.enabled=true', /parentRefs is required/],
]

for (const [title, args, message] of WRONG) {
  t.test(`refused: ${title}`, async (t) => {
    const { status, stderr } = template('02-existing-secrets', ['--set', args])
    t.not(status, 0)
    t.match(stderr, message)
  })
}

t.test('refused: nothing given, with every problem at once', async (t) => {
  const { stderr } = helm(['template', CHART])
  for (const name of ['config.issuer', 'database.existingSecret', 'credentials.existingSecret', 'migrations.database'])
    t.match(stderr, `- ${name}`)
})

const notesOf = (name: string): string => {
  const { stdout } = helm([
    'install',
    'tenantry',
    CHART,
    '--dry-run=client',
    '--namespace',
    'tenants',
    ...valuesOf(name),
  ])
  return stdout.slice(stdout.indexOf('NOTES:'))
}

t.test('the notes name three commands, and warn of what is not for production', async (t) => {
  const notes = notesOf('01-quickstart')
  for (const command of ['1. kubectl rollout status', '2. helm test tenantry', '3. kubectl port-forward', 'curl '])
    t.match(notes, command)
  for (const warning of [
    'Secrets were given as values',
    'begins with http://',
    'One pod only',
    'image.digest',
    'networkPolicy',
  ])
    t.match(notes, new RegExp(`WARNING: .*${warning.replace('/', '\\/')}`))
  t.notMatch(notes, /0123456789abcdef/)
})

t.test('the notes do not warn of what is right', async (t) => {
  const notes = notesOf('05-restricted-namespace')
  t.same(notes.match(/WARNING: \S+/g), ['WARNING: image.digest'])
  t.match(notesOf('11-init-container'), /WARNING: migrations\.mode is initContainer/)
})
