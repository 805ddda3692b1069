// What Tenantry is made of, and how it is released.
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { parse } from 'yaml'

const ROOT = new URL('../../', import.meta.url)
const read = (name: string): string => readFileSync(new URL(name, ROOT), 'utf8')

interface Locked {
  version?: string
  dev?: boolean
  devOptional?: boolean
  link?: boolean
  hasInstallScript?: boolean
  integrity?: string
  resolved?: string
}

const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, Locked> }
const installed = Object.entries(packages).filter(([path, { link }]) => path.includes('node_modules/') && !link)
const shipped = installed.filter(([, { dev, devOptional }]) => !dev && !devOptional)
const isNamed = (path: string, name: string): boolean => path.endsWith(`node_modules/${name}`)

t.test('no package that is shipped runs a script when it is installed, and few that are not', async (t) => {
  const withScript = installed.filter(([, { hasInstallScript }]) => hasInstallScript)
  // esbuild's checks that its binary starts. `npm ci --ignore-scripts` does without.
  t.same(
    withScript.filter(([path, { dev }]) => !(dev && isNamed(path, 'esbuild'))),
    [],
  )
})

t.test('every package is locked to a hash, and to no registry', async (t) => {
  t.same(
    installed.filter(([, { integrity }]) => !integrity?.startsWith('sha512-')),
    [],
  )
  t.same(
    installed.filter(([, { resolved }]) => resolved),
    [],
  )
})

t.test('every direct dependency has its reason in a decision, and all of them stay within its number', async (t) => {
  const decision = read('docs/decisions/0005-runtime-dependencies.md')
  const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> }
  for (const name of Object.keys(dependencies).filter((name) => name !== '@tenantry/client'))
    t.match(decision, new RegExp(`^\\| [^|]*\\b${name.split('/').at(-1)}\\b`, 'm'), name)
  const budget = Number(/at most (\d+) packages/.exec(decision)?.[1])
  t.ok(shipped.length <= budget, `${shipped.length} packages, of at most ${budget}`)
})

t.test('the bill of materials names every package that is shipped, with its hash', async (t) => {
  const run = promisify(execFile)
  const { stdout } = await run(process.execPath, [fileURLToPath(new URL('bin/sbom.mjs', ROOT))], { maxBuffer: 2 ** 24 })
  const { components } = JSON.parse(stdout) as { components: { 'bom-ref': string; purl: string; hashes?: object[] }[] }
  const places = new Set(components.map((component) => component['bom-ref'].split('#')[1]))
  t.same(
    shipped.filter(([path]) => !places.has(path)),
    [],
  )
  t.equal(components.length, shipped.length + 1, 'and our own client')
  t.same(
    components.filter(({ purl, hashes }) => !hashes && !purl.startsWith('pkg:npm/%40tenantry/client@')),
    [],
  )
})

interface Workflow {
  permissions: Record<string, string>
  jobs: Record<
    string,
    { permissions?: Record<string, string>; steps: { uses?: string; with?: object; run?: string }[] }
  >
}

const folder = new URL('.github/workflows/', ROOT)
const workflows = readdirSync(folder).map((name) => [name, readFileSync(new URL(name, folder), 'utf8')] as const)

t.test('workflows use actions by commit, and may do no more than they say', async (t) => {
  for (const [name, text] of workflows) {
    const { permissions, jobs } = parse(text) as Workflow
    t.same(permissions, {}, `${name}: nothing unless a job says so`)
    for (const line of text.matchAll(/uses: (.*)/g)) t.match(line[1], /^[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, name)
    for (const { permissions, steps } of Object.values(jobs)) {
      t.ok(permissions, `${name}: every job says what it may do`)
      const checkouts = steps.filter(({ uses }) => uses?.startsWith('actions/checkout@'))
      for (const step of checkouts)
        t.match(step.with, { 'persist-credentials': false }, `${name}: no token stays behind`)
      // What comes from outside is never text of a script: it goes through the environment.
      for (const { run } of steps) t.notMatch(run ?? '', /\$\{\{/, name)
    }
  }
})
