// The settings of the process: what each may be, and that everything wrong is told at once.
import t from 'tap'
import { ConfigError, readConfig } from '../src/config.ts'

type Environment = Parameters<typeof readConfig>[0]

const KEY = Buffer.alloc(32, 7).toString('base64')
const PREVIOUS_KEY = Buffer.alloc(32, 6).toString('base64')
const ROOT = 'a-root-key-of-at-least-32-characters'
const SERVER = {
  DATABASE_URL: 'postgres://tenantry:secret@db:5432/tenantry',
  TENANTRY_ISSUER: 'https://tenantry.example.com',
  TENANTRY_ROOT_API_KEY: ROOT,
  TENANTRY_ENCRYPTION_KEY: KEY,
}

const problemsOf = (environment: Environment): string[] => {
  try {
    readConfig(environment)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}

t.test('without any setting the service is embedded, on loopback', async (t) => {
  t.same(readConfig({}), {
    ...{
      host: '127.0.0.1',
      port: 3000,
      database_url: undefined,
      database_direct_url: undefined,
      database_pool: 10,
      failover: undefined,
      data_dir: './.tenantry',
      issuer: 'http://127.0.0.1:3000',
    },
    ...{
      root_api_key: undefined,
      encryption_key: undefined,
      audiences: undefined,
      cors_origins: undefined,
      log_level: 'info',
    },
    ...{ previous_encryption_key: undefined, signing_algorithm: 'ES256', allow_loopback_issuers: false },
    ...{ staleness_ms: 500, metrics_port: undefined, ready_grace_ms: 10_000, drain_delay_ms: 0, traces: false },
    access_log: true,
    ...{ rate_limit: 0, bad_attempts: 100, trusted_proxies: undefined, max_event_loop_delay_ms: 0 },
  })
  t.equal(readConfig(SERVER).max_event_loop_delay_ms, 1_000, 'an embedded database works on the event loop itself')
})

t.test('every setting is read', async (t) => {
  const config = readConfig({
    ...SERVER,
    ...{
      DATABASE_DIRECT_URL: 'postgres://tenantry:secret@pg:5432/tenantry',
      TENANTRY_DATABASE_POOL: '20',
      TENANTRY_FAILOVER: 'synchronous',
    },
    ...{ HOST: '0.0.0.0', PORT: '8080', METRICS_PORT: '9090', TENANTRY_DATA_DIR: '/data', LOG_LEVEL: 'debug' },
    TENANTRY_AUDIENCES: 'https://a.example, urn:b',
    TENANTRY_PREVIOUS_ENCRYPTION_KEY: PREVIOUS_KEY,
    TENANTRY_SIGNING_ALGORITHM: 'EdDSA',
    TENANTRY_ALLOW_LOOPBACK_ISSUERS: 'true',
    TENANTRY_STALENESS_MS: '0',
    TENANTRY_ACCESS_LOG: 'false',
    ...{ TENANTRY_READY_GRACE_MS: '0', TENANTRY_DRAIN_DELAY_MS: '5000' },
    ...{ TENANTRY_RATE_LIMIT: '50', TENANTRY_BAD_ATTEMPTS: '0', TENANTRY_MAX_EVENT_LOOP_DELAY_MS: '0' },
    TENANTRY_TRUSTED_PROXIES: '10.0.0.0/8, loopback',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318',
  })
  t.same(config, {
    ...{
      host: '0.0.0.0',
      port: 8080,
      metrics_port: 9090,
      database_url: SERVER.DATABASE_URL,
      database_direct_url: 'postgres://tenantry:secret@pg:5432/tenantry',
      database_pool: 20,
      failover: 'synchronous',
      data_dir: '/data',
      issuer: SERVER.TENANTRY_ISSUER,
    },
    ...{
      root_api_key: ROOT,
      encryption_key: Buffer.alloc(32, 7),
      audiences: ['https://a.example', 'urn:b'],
      log_level: 'debug',
    },
    ...{ previous_encryption_key: Buffer.alloc(32, 6), signing_algorithm: 'EdDSA', allow_loopback_issuers: true },
    ...{ staleness_ms: 0, ready_grace_ms: 0, drain_delay_ms: 5000, traces: true },
    access_log: false,
    ...{ rate_limit: 50, bad_attempts: 0, trusted_proxies: ['10.0.0.0/8', 'loopback'], max_event_loop_delay_ms: 0 },
  })
  t.throws(() => Object.assign(config, { port: 1 }), TypeError, 'and cannot be changed afterwards')
})

t.test('an empty setting counts as absent, and spaces around one do not count', async (t) => {
  const config = readConfig({ PORT: '', HOST: ' ', LOG_LEVEL: ' warn ', DATABASE_URL: '', TENANTRY_AUDIENCES: '' })
  t.match(config, { port: 3000, host: '127.0.0.1', log_level: 'warn', database_url: undefined, audiences: undefined })
})

t.test('the issuer follows from the address when it is not set', async (t) => {
  t.equal(readConfig({ HOST: 'localhost', PORT: '0' }).issuer, 'http://localhost:0')
  t.equal(readConfig({ HOST: '::1', PORT: '80' }).issuer, 'http://[::1]:80')
})

t.test('with a server’s database nothing is made up: issuer and secrets must be given', async (t) => {
  t.same(problemsOf(SERVER), [])
  const problems = problemsOf({ DATABASE_URL: SERVER.DATABASE_URL })
  t.equal(problems.length, 3)
  for (const name of ['TENANTRY_ISSUER', 'TENANTRY_ROOT_API_KEY', 'TENANTRY_ENCRYPTION_KEY']) {
    t.ok(
      problems.some((problem) => problem.startsWith(`${name} is required with DATABASE_URL`)),
      name,
    )
  }
})

t.test('in production an embedded database is never what somebody forgot to say otherwise', async (t) => {
  t.match(problemsOf({ NODE_ENV: 'production' }), [/^DATABASE_URL is not set, and NODE_ENV is production/])
  t.same(problemsOf({ NODE_ENV: 'production', TENANTRY_DATA_DIR: '/data' }), [], 'it was asked for')
  t.same(problemsOf({ NODE_ENV: 'production', ...SERVER }), [])
})

t.test('the way past a pooler is no database of its own', async (t) => {
  t.match(problemsOf({ DATABASE_DIRECT_URL: SERVER.DATABASE_URL }), [/^DATABASE_DIRECT_URL goes with DATABASE_URL/])
  t.match(problemsOf({ TENANTRY_DATABASE_POOL: '0' }), [/^TENANTRY_DATABASE_POOL must be/])
})

t.test('everything that is wrong is told at once, each by its name', async (t) => {
  const wrong = {
    ...{ PORT: 'http', DATABASE_URL: 'mysql://db', TENANTRY_ISSUER: 'tenantry', TENANTRY_ROOT_API_KEY: 'short' },
    ...{ TENANTRY_ENCRYPTION_KEY: 'c2hvcnQ=', TENANTRY_AUDIENCES: 'a,,b', LOG_LEVEL: 'loud' },
  }
  const problems = problemsOf(wrong)
  t.same(
    problems.map((problem) => problem.split(' ')[0]),
    [
      'PORT',
      'DATABASE_URL',
      'TENANTRY_ISSUER',
      'TENANTRY_ROOT_API_KEY',
      'TENANTRY_ENCRYPTION_KEY',
      'TENANTRY_AUDIENCES',
      'LOG_LEVEL',
    ],
  )
  const { message } = new ConfigError(problems)
  for (const problem of problems) t.ok(message.includes(`\n  - ${problem}`))
  t.notMatch(message, /short|c2hvcnQ/, 'no value of a secret')
})

t.test('each setting refuses what it cannot be', async (t) => {
  const refused: [string, string[]][] = [
    ['PORT', ['-1', '65536', '3000.5', '0x50', '1e3', '80 80', 'abc']],
    ['TENANTRY_READY_GRACE_MS', ['-1', '300001', '10s']],
    ['TENANTRY_DRAIN_DELAY_MS', ['60001', 'no']],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', ['collector:4318']],
    ['TENANTRY_RATE_LIMIT', ['-1', 'many', '1000001']],
    ['TENANTRY_BAD_ATTEMPTS', ['-1']],
    ['TENANTRY_MAX_EVENT_LOOP_DELAY_MS', ['60001']],
    ['TENANTRY_TRUSTED_PROXIES', ['nginx', '10.0.0.0/33', '10.0.0.0/8/9', '*']],
    ['METRICS_PORT', ['http', '65536', '3000']],
    ['TENANTRY_STALENESS_MS', ['-1', '5001', '0.5', '1e2', '500ms']],
    ['DATABASE_URL', ['db', 'http://db/x', 'postgres', 'mysql://db/x']],
    [
      'TENANTRY_ISSUER',
      [
        'tenantry.example',
        'ftp://x',
        'https://x/',
        'https://x/a/',
        'https://x?a=1',
        'https://x#a',
        'https://x?',
        'https://x#',
      ],
    ],
    [
      'TENANTRY_ROOT_API_KEY',
      ['x'.repeat(31), `${'x'.repeat(20)} ${'x'.repeat(20)}`, `${'x'.repeat(20)}\n${'x'.repeat(20)}`, 'ü'.repeat(40)],
    ],
    [
      'TENANTRY_ENCRYPTION_KEY',
      [
        'x',
        'a'.repeat(32),
        Buffer.alloc(31).toString('base64'),
        Buffer.alloc(33).toString('base64'),
        `${KEY}!`,
        '0'.repeat(64),
      ],
    ],
    ['TENANTRY_AUDIENCES', [',', 'a,', 'a b', 'ä', 'x'.repeat(256)]],
    ['LOG_LEVEL', ['INFO', 'verbose', '30']],
    ['TENANTRY_ACCESS_LOG', ['yes', '0', 'FALSE']],
  ]
  for (const [name, values] of refused) {
    for (const value of values) {
      const problems = problemsOf({ [name]: value })
      t.ok(
        problems.some((problem) => problem.startsWith(`${name} `)),
        `${name}=${value}`,
      )
    }
  }
  const taken: [string, string[]][] = [
    ['PORT', ['0', '65535']],
    ['TENANTRY_ISSUER', ['https://x', 'http://localhost:3000', 'https://x/tenantry']],
    ['TENANTRY_ROOT_API_KEY', ['x'.repeat(32), 'correct-horse-battery-staple-and-more', KEY]],
    ['TENANTRY_ENCRYPTION_KEY', [KEY, KEY.replace('=', ''), Buffer.alloc(32, 255).toString('base64url')]],
    ['LOG_LEVEL', ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']],
  ]
  for (const [name, values] of taken)
    for (const value of values) t.same(problemsOf({ [name]: value }), [], `${name}=${value}`)
  for (const url of ['postgres://db', 'postgresql://u:p@[::1]:5432/x?sslmode=require']) {
    t.same(problemsOf({ ...SERVER, DATABASE_URL: url }), [], url)
  }
})
