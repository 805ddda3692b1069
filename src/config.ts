// The environment as a frozen Config. Every problem is reported at once, and then the process refuses to start.
import { isIP } from 'node:net'
import type { Failover } from './epochs/watch.ts'
import { KEY_BYTES } from './sealing.ts'
import { ALGORITHMS, type Algorithm } from './signing-keys/generation.ts'

export interface Config {
  host: string
  port: number
  /** Where the metrics are served without a credential; undefined for nowhere. */
  metrics_port: number | undefined
  /** PostgreSQL; undefined means embedded. */
  database_url: string | undefined
  /** The same database past a pooler; set, it means that `database_url` leads through one. */
  database_direct_url: string | undefined
  /** Whether a standby that is promoted has every acknowledged commit; undefined where nobody said. */
  failover: Failover | undefined
  /** How many connections requests share. */
  database_pool: number
  data_dir: string
  /** The public base URL, without a slash at the end; what tokens carry as `iss`. */
  issuer: string
  /** Undefined in embedded mode means: made on the first start. */
  root_api_key: string | undefined
  encryption_key: Buffer | undefined
  /** Still opens what it sealed; the start seals signing keys again under the present one. */
  previous_encryption_key: Buffer | undefined
  /** Of the keys that are made from now on. */
  signing_algorithm: Algorithm
  /** When set, the only audiences tokens are issued for, besides the issuer. */
  audiences: readonly string[] | undefined
  /** Of the web pages that may read answers, `*` for any; undefined for none. */
  cors_origins: readonly string[] | undefined
  /** Development only: identity providers on this machine, over http. */
  allow_loopback_issuers: boolean
  /** How old the facts of a check may be, in milliseconds; 0 for never older than the question. */
  staleness_ms: number
  /** How long the database may be away before `/readyz` says no, in milliseconds. */
  ready_grace_ms: number
  /** How long requests are still taken after the signal to stop, in milliseconds. */
  drain_delay_ms: number
  /** Requests a second of each credential of a tenant, over ten seconds; 0 for any. */
  rate_limit: number
  /** API keys that are none, a minute and address; 0 for any. */
  bad_attempts: number
  /** Whose word on where a request comes from is believed; undefined for nobody's. */
  trusted_proxies: readonly string[] | undefined
  /** How far the event loop may lag before requests are refused, in milliseconds; 0 for any. */
  max_event_loop_delay_ms: number
  /** Whether traces are sent somewhere; where to is OpenTelemetry's own to read. */
  traces: boolean
  log_level: LogLevel
  /** A line for each request, at level info. */
  access_log: boolean
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

const DATA_DIR = './.tenantry'
const SHORTEST_ROOT_KEY = 32
const HIGHEST_PORT = 65_535
const LONGEST_STALENESS_MS = 5_000
const STALENESS_MS = 500
const LONGEST_GRACE_MS = 300_000
const READY_GRACE_MS = 10_000 // a managed database's failover, mostly
const LONGEST_DRAIN_MS = 60_000
const OTLP_ENDPOINTS = ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']
const HIGHEST_RATE = 1_000_000
const BAD_ATTEMPTS = 100 // a mistake in a deployment tries a few
const EVENT_LOOP_DELAY_MS = 1_000 // whoever waits that long has mostly given up
const DATABASE_POOL = 10
const LARGEST_POOL = 200

export class ConfigError extends Error {
  readonly problems: string[]

  constructor(problems: string[]) {
    super(`The settings are not right:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`)
    this.problems = problems
  }
}

export type Environment = Record<string, string | undefined>

/** An empty variable counts as absent. */
const textOf = (environment: Environment, name: string): string | undefined => environment[name]?.trim() || undefined

/**
 * Where the database is: all that a command needs which works on the database and serves nothing.
 * @throws ConfigError
 */
export const readDatabaseSettings = (
  environment: Environment,
): Pick<Config, 'database_url' | 'database_direct_url' | 'data_dir'> => {
  const [database_url, database_direct_url] = ['DATABASE_URL', 'DATABASE_DIRECT_URL'].map((name) => {
    const text = textOf(environment, name)
    const parsed = text === undefined ? undefined : parseDatabaseUrl(text)
    if (typeof parsed === 'string') throw new ConfigError([`${name} ${parsed}`])
    return parsed?.value
  })
  return { database_url, database_direct_url, data_dir: textOf(environment, 'TENANTRY_DATA_DIR') ?? DATA_DIR }
}

/**
 * Reads the settings.
 * @throws ConfigError with every problem
 */
export const readConfig = (environment: Environment): Readonly<Config> => {
  const problems: string[] = []
  const text = (name: string): string | undefined => textOf(environment, name)
  const read = <T>(name: string, parse: (value: string) => T | string): T | undefined => {
    const value = text(name)
    if (value === undefined) return undefined
    const parsed = parse(value)
    if (typeof parsed !== 'string') return parsed
    problems.push(`${name} ${parsed}`)
    return undefined
  }

  const readOr = <T>(name: string, parse: (value: string) => Parsed<T>, otherwise: T): T =>
    read(name, parse)?.value ?? otherwise

  const host = text('HOST') ?? '127.0.0.1'
  const port = readOr('PORT', parsePort, 3000)
  const metrics_port = read('METRICS_PORT', parsePort)?.value
  const database_url = read('DATABASE_URL', parseDatabaseUrl)?.value
  const database_direct_url = read('DATABASE_DIRECT_URL', parseDatabaseUrl)?.value
  const database_pool = readOr('TENANTRY_DATABASE_POOL', parsePool, DATABASE_POOL)
  const failover = read('TENANTRY_FAILOVER', parseFailover)?.value
  const issuer = read('TENANTRY_ISSUER', parseIssuer)?.value
  const root_api_key = read('TENANTRY_ROOT_API_KEY', parseRootKey)?.value
  const encryption_key = read('TENANTRY_ENCRYPTION_KEY', parseKey)?.value
  const previous_encryption_key = read('TENANTRY_PREVIOUS_ENCRYPTION_KEY', parseKey)?.value
  const signing_algorithm = readOr('TENANTRY_SIGNING_ALGORITHM', parseAlgorithm, 'ES256')
  const allow_loopback_issuers = readOr('TENANTRY_ALLOW_LOOPBACK_ISSUERS', parseSwitch, false)
  const audiences = read('TENANTRY_AUDIENCES', parseAudiences)?.value
  const cors_origins = read('TENANTRY_CORS_ORIGINS', parseOrigins)?.value
  const staleness_ms = readOr('TENANTRY_STALENESS_MS', millisecondsUpTo(LONGEST_STALENESS_MS), STALENESS_MS)
  const ready_grace_ms = readOr('TENANTRY_READY_GRACE_MS', millisecondsUpTo(LONGEST_GRACE_MS), READY_GRACE_MS)
  const drain_delay_ms = readOr('TENANTRY_DRAIN_DELAY_MS', millisecondsUpTo(LONGEST_DRAIN_MS), 0)
  const rate_limit = readOr('TENANTRY_RATE_LIMIT', wholeUpTo(HIGHEST_RATE, 'requests a second'), 0)
  const bad_attempts = readOr('TENANTRY_BAD_ATTEMPTS', wholeUpTo(HIGHEST_RATE, 'attempts'), BAD_ATTEMPTS)
  const trusted_proxies = readOr<string[] | undefined>('TENANTRY_TRUSTED_PROXIES', parseProxies, undefined)
  const max_event_loop_delay_ms = readOr(
    'TENANTRY_MAX_EVENT_LOOP_DELAY_MS',
    millisecondsUpTo(LONGEST_DRAIN_MS),
    // An embedded database works on the event loop itself: that says nothing of overload.
    database_url === undefined ? 0 : EVENT_LOOP_DELAY_MS,
  )
  const traces = OTLP_ENDPOINTS.filter((name) => read(name, parseEndpoint)).length > 0
  const log_level = readOr('LOG_LEVEL', parseLogLevel, 'info')
  const access_log = readOr('TENANTRY_ACCESS_LOG', parseSwitch, true)

  if (text('DATABASE_URL') === undefined && text('DATABASE_DIRECT_URL') !== undefined)
    problems.push('DATABASE_DIRECT_URL goes with DATABASE_URL: it is the same database past a pooler')
  if (metrics_port !== undefined && metrics_port !== 0 && metrics_port === port)
    problems.push('METRICS_PORT must be another port than PORT: nobody is asked for a credential there')
  problems.push(...missingIn(text))
  if (problems.length > 0) throw new ConfigError(problems)
  return Object.freeze({
    host,
    port,
    metrics_port,
    database_url,
    database_direct_url,
    database_pool,
    failover,
    data_dir: text('TENANTRY_DATA_DIR') ?? DATA_DIR,
    issuer: issuer ?? `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    root_api_key,
    encryption_key,
    previous_encryption_key,
    signing_algorithm,
    audiences,
    cors_origins,
    allow_loopback_issuers,
    staleness_ms,
    ready_grace_ms,
    drain_delay_ms,
    ...{ rate_limit, bad_attempts, trusted_proxies, max_event_loop_delay_ms },
    traces: traces && text('OTEL_SDK_DISABLED') !== 'true',
    log_level,
    access_log,
  })
}

const missingIn = (text: (name: string) => string | undefined): string[] => {
  if (text('DATABASE_URL') !== undefined)
    return ['TENANTRY_ISSUER', 'TENANTRY_ROOT_API_KEY', 'TENANTRY_ENCRYPTION_KEY']
      .filter((name) => text(name) === undefined)
      .map((name) => `${name} is required with DATABASE_URL; ${HINTS[name]}`)
  return text('NODE_ENV') === 'production' && text('TENANTRY_DATA_DIR') === undefined ? [NO_DATABASE] : []
}

/** A forgotten variable must not end in an empty database that a container takes with it when it goes. */
const NO_DATABASE =
  'DATABASE_URL is not set, and NODE_ENV is production (as in the container image); give a PostgreSQL there, or, to try Tenantry out, a directory that stays (in a container a volume) as TENANTRY_DATA_DIR for the embedded database'

const HINTS: Record<string, string> = {
  TENANTRY_ISSUER: 'it is the public base URL of this service',
  TENANTRY_ROOT_API_KEY: `any secret of at least ${SHORTEST_ROOT_KEY} characters, e.g. from \`openssl rand -base64 32\``,
  TENANTRY_ENCRYPTION_KEY: '32 random bytes as base64, e.g. from `openssl rand -base64 32`',
}

// A parser answers the value in a box, or the rest of a sentence that begins with the setting's name.
type Parsed<T> = { value: T } | string

const parsePort = (text: string): Parsed<number> => {
  const value = Number(text)
  return /^\d+$/.test(text) && value <= HIGHEST_PORT ? { value } : `must be a whole number from 0 to ${HIGHEST_PORT}`
}

const parseDatabaseUrl = (text: string): Parsed<string> =>
  URL.canParse(text) && /^postgres(ql)?:$/.test(new URL(text).protocol)
    ? { value: text }
    : 'must be a URL like postgres://user:password@host:5432/database'

const parseEndpoint = (text: string): Parsed<string> =>
  URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)
    ? { value: text }
    : 'must be a URL like http://collector.example.com:4318'

const parseIssuer = (text: string): Parsed<string> => {
  if (!URL.canParse(text)) return 'must be a URL like https://tenantry.example.com'
  if (!/^https?:$/.test(new URL(text).protocol)) return 'must begin with https:// (or http:// in development)'
  if (/[?#]/.test(text)) return 'must have neither a query nor a fragment (RFC 8414 §2)'
  if (text.endsWith('/')) return 'must not end with a slash: it is compared character by character'
  return { value: text }
}

const parseRootKey = (text: string): Parsed<string> =>
  // A header carries nothing else in one and the same way everywhere.
  text.length >= SHORTEST_ROOT_KEY && /^[\x21-\x7e]+$/.test(text)
    ? { value: text }
    : `must have at least ${SHORTEST_ROOT_KEY} characters, no spaces and only ASCII characters`

const parseKey = (text: string): Parsed<Buffer> => {
  const value = Buffer.from(text, 'base64')
  return value.length === KEY_BYTES && /^[A-Za-z0-9+/_-]+={0,2}$/.test(text)
    ? { value }
    : 'must be 32 bytes as base64, e.g. from `openssl rand -base64 32`'
}

const parseAlgorithm = (text: string): Parsed<Algorithm> => {
  const value = ALGORITHMS.find((algorithm) => algorithm === text)
  return value ? { value } : `must be one of ${ALGORITHMS.join(', ')}`
}

const parseAudiences = (text: string): Parsed<string[]> => {
  const value = text.split(',').map((audience) => audience.trim())
  return value.every((audience) => /^[\x21-\x7e]{1,255}$/.test(audience))
    ? { value }
    : 'must be audiences separated by commas'
}

const parseOrigins = (text: string): Parsed<string[]> => {
  const value = text.split(',').map((origin) => origin.trim())
  const isOrigin = (origin: string): boolean =>
    origin === '*' || (/^https?:/.test(origin) && URL.canParse(origin) && new URL(origin).origin === origin)
  return value.every(isOrigin) ? { value } : 'must be origins like https://app.example.com separated by commas, or *'
}

/** Addresses, ranges (CIDR), or the names that proxy-addr has for the private ones. */
const parseProxies = (text: string): Parsed<string[]> => {
  const value = text.split(',').map((proxy) => proxy.trim())
  const isRange = (proxy: string): boolean => {
    const [address = '', bits, ...rest] = proxy.split('/')
    const longest = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1
    return (
      rest.length === 0 && longest > 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= longest))
    )
  }
  return value.every((proxy) => ['loopback', 'linklocal', 'uniquelocal'].includes(proxy) || isRange(proxy))
    ? { value }
    : 'must be addresses or ranges separated by commas, e.g. 10.0.0.0/8, or loopback, linklocal, uniquelocal'
}

const parseSwitch = (text: string): Parsed<boolean> =>
  text === 'true' || text === 'false' ? { value: text === 'true' } : 'must be true or false'

const wholeUpTo =
  (most: number, unit: string) =>
  (text: string): Parsed<number> => {
    const value = Number(text)
    return /^\d+$/.test(text) && value <= most ? { value } : `must be a whole number of ${unit} from 0 to ${most}`
  }

const millisecondsUpTo = (most: number) => wholeUpTo(most, 'milliseconds')

const parsePool = (text: string): Parsed<number> => {
  const value = Number(text)
  return /^\d+$/.test(text) && value >= 1 && value <= LARGEST_POOL
    ? { value }
    : `must be a whole number of connections from 1 to ${LARGEST_POOL}`
}

const parseFailover = (text: string): Parsed<Failover> =>
  text === 'synchronous' || text === 'asynchronous' ? { value: text } : 'must be synchronous or asynchronous'

const parseLogLevel = (text: string): Parsed<LogLevel> => {
  const value = LOG_LEVELS.find((level) => level === text)
  return value ? { value } : `must be one of ${LOG_LEVELS.join(', ')}`
}
