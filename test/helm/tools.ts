// The commands and schemas that the chart is tested with: which versions, where they are kept, and how they get there. They
// come from the Go module proxy and from PyPI, into a directory outside of this one, and stay there for the next time.
//
//   npm run helm:tools     installs what is missing; exit code 3 where Go, Python or a registry cannot be had
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { customSchemas, kubernetesSchemas } from './kubernetes-schemas.ts'
import { run } from './running.ts'

const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'tenantry', 'helm-tools')

const COMMANDS = {
  helm: 'helm.sh/helm/v4/cmd/helm@v4.3.1',
  kubeconform: 'github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0',
  'helm-docs': 'github.com/norwoodj/helm-docs/cmd/helm-docs@v1.14.2',
}

type Command = keyof typeof COMMANDS

const pathOf = (name: string): string => join(CACHE, name.replaceAll('/', '-'))
export const commandAt = (name: Command): string => join(pathOf(COMMANDS[name]), name)

/** Where kubeconform finds schemas, in its own templates. */
export const SCHEMA_LOCATIONS = [
  join(
    pathOf(kubernetesSchemas.name),
    '{{ .NormalizedKubernetesVersion }}',
    '{{ .ResourceKind }}{{ .KindSuffix }}.json',
  ),
  join(pathOf(customSchemas.name), '{{ .ResourceKind }}{{ .KindSuffix }}.json'),
]

/** Made beside its place and moved there: what was interrupted is not taken for the whole. */
const once = (path: string, make: (directory: string) => void): void => {
  if (existsSync(path)) return
  mkdirSync(dirname(path), { recursive: true })
  const beside = mkdtempSync(join(dirname(path), '.making-'))
  try {
    make(beside)
    renameSync(beside, path)
  } finally {
    rmSync(beside, { recursive: true, force: true })
  }
}

// helm takes two minutes of two cores, as it knows all kinds of Kubernetes; left unoptimised it takes no less.
const GO_FLAGS = ['-trimpath', '-ldflags=-s -w']

const installCommand = (source: string): void =>
  once(pathOf(source), (directory) => {
    run('go', ['install', ...GO_FLAGS, source], { GOBIN: directory, GOFLAGS: '', CGO_ENABLED: '0' })
  })

/** Nothing where all of it is there. */
export const installTools = (): void => {
  for (const source of Object.values(COMMANDS)) installCommand(source)
  for (const { name, make } of [kubernetesSchemas, customSchemas]) once(pathOf(name), make)
}
