// `helm template` for the tests and for the golden files: which value sets there are, and what each renders to.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { commandAt } from './tools.ts'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

export const CHART = here('../../helm/tenantry')
export const GOLDEN = here('golden')

const filesIn = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => `${folder}/${name}`)

/** Every example, and those of the tests' own: where each is, by name. */
export const VALUE_SETS: ReadonlyMap<string, string> = new Map(
  [...filesIn(`${CHART}/examples`), ...filesIn(here('values'))].map((path) => [basename(path, '.yaml'), path]),
)

// What the quick start has made on the command line.
const MADE_UP = [
  `credentials.rootApiKey=${'0123456789abcdef'.repeat(4)}`,
  `credentials.encryptionKey=${Buffer.alloc(32, 'tenantry').toString('base64')}`,
].flatMap((value) => ['--set', value])

export const valuesOf = (name: string): string[] => [
  ...['--values', VALUE_SETS.get(name) ?? name],
  ...(name === '01-quickstart' ? MADE_UP : []),
]

export interface Ended {
  status: number | null
  stdout: string
  stderr: string
}

export const helm = (args: string[]): Ended => spawnSync(commandAt('helm'), args, { encoding: 'utf8' })

/** What helm says to a value set, and to what is set beside it. */
export const template = (name: string, args: string[] = []): Ended =>
  helm(['template', 'tenantry', CHART, '--namespace', 'tenants', ...valuesOf(name), ...args])

export const render = (name: string): string => {
  const { status, stdout, stderr } = template(name)
  if (status !== 0) throw new Error(`${name}: ${stderr}`)
  return stdout
}
