// compose.yaml as the containers it means: read, with its variables filled in, and each service as podman's own flags. Two
// things are otherwise here: the network is the machine's, and the database is the tests' own server on it.
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

export const COMPOSE = new URL('../../compose.yaml', import.meta.url)

export interface ComposeService {
  image: string
  build?: string
  command?: string[]
  user?: string
  environment?: Record<string, string>
  read_only?: boolean
  init?: boolean
  cap_drop?: string[]
  security_opt?: string[]
  tmpfs?: string[]
  ports?: string[]
  depends_on?: Record<string, { condition: string }>
  stop_grace_period?: string
  healthcheck?: { test: string[] }
}

export interface Compose {
  services: Record<'database' | 'migrate' | 'tenantry', ComposeService>
  configs: Record<string, { content: string }>
}

/** `${NAME:?why}` and `${NAME:-otherwise}`, as Compose reads them. @throws for a variable that must be there and is not */
const fill = (text: string, variables: Record<string, string>): string =>
  text.replace(/\$\{(\w+):([?-])([^}]*)\}/g, (_, name: string, kind: string, rest: string) => {
    const value = variables[name] || (kind === '-' ? rest : undefined)
    if (value === undefined) throw new Error(`${name}: ${rest}`)
    return value
  })

export const readCompose = (variables: Record<string, string>): Compose =>
  parse(fill(readFileSync(COMPOSE, 'utf8'), variables), { merge: true })

const each = (flag: string, values: string[] = []): string[] => values.map((value) => `--${flag}=${value}`)

/** How a service is run, without its image and command. */
export const flagsOf = (service: ComposeService, database: URL): string[] => {
  const here = (value: string): string => value.replace('@database:5432/', `@${database.host}/`)
  return [
    ...(service.read_only ? ['--read-only', '--read-only-tmpfs=false'] : []),
    ...(service.init ? ['--init'] : []),
    ...(service.user ? [`--user=${service.user}`] : []),
    ...each('cap-drop', service.cap_drop),
    ...each('security-opt', service.security_opt),
    ...each('tmpfs', service.tmpfs),
    ...each(
      'env',
      Object.entries(service.environment ?? {}).map(([name, value]) => `${name}=${here(value)}`),
    ),
  ]
}
