// What holds for the Dockerfile and compose.yaml without building anything. `npm run test:image` does build.
import { readFileSync } from 'node:fs'
import { DockerfileParser, type From } from 'dockerfile-ast'
import t from 'tap'
import { COMPOSE, type ComposeService, readCompose } from './compose.ts'

const read = (name: string): string => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')
const dockerfile = DockerfileParser.parse(read('Dockerfile'))
const instructions = dockerfile.getInstructions()
const PINNED = /^[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}$/

const SECRETS = {
  TENANTRY_SUPERUSER_PASSWORD: 'superuser',
  TENANTRY_OWNER_PASSWORD: 'owner',
  TENANTRY_SERVICE_PASSWORD: 'service',
  TENANTRY_ROOT_API_KEY: 'root',
  TENANTRY_ENCRYPTION_KEY: 'seal',
}

/** The instructions of the last stage, which is the image. */
const argumentsOf = (keyword: string): string[] => {
  const last = instructions.findLastIndex((each) => each.getKeyword() === 'FROM')
  return instructions
    .slice(last)
    .filter((each) => each.getKeyword() === keyword)
    .map((each) => each.getArgumentsContent() ?? '')
}

t.test('every image from elsewhere is pinned by tag and digest, and one name has one digest', async (t) => {
  const stages = new Set(dockerfile.getFROMs().map((from: From) => from.getBuildStage()))
  const images = dockerfile.getFROMs().map((from: From) => from.getImage() ?? '')
  const foreign = [...new Set(images.filter((image) => !stages.has(image)))]
  for (const image of foreign) t.match(image, PINNED)
  t.equal(foreign.length, 2)
  t.match(readCompose(SECRETS).services.database.image, PINNED)
})

t.test('the image runs as a number, without a shell in between', async (t) => {
  t.match(argumentsOf('USER'), [/^[1-9]\d*:[1-9]\d*$/])
  for (const keyword of ['ENTRYPOINT', 'CMD']) t.ok(Array.isArray(JSON.parse(argumentsOf(keyword)[0] ?? '')), keyword)
  t.match(argumentsOf('HEALTHCHECK'), [/CMD \["\/nodejs\/bin\/node", "\/app\/dist\/healthcheck\.js"\]$/])
  t.same(argumentsOf('RUN'), [], 'there is no shell to run anything with')
})

t.test('packages are installed from the lock file, without running their scripts', async (t) => {
  const runs = instructions
    .filter((each) => each.getKeyword() === 'RUN')
    .map((each) => each.getArgumentsContent() ?? '')
  const installing = runs.filter((run) => /\bnpm\b/.test(run))
  t.equal(installing.length, 2)
  for (const run of installing) t.match(run, /npm ci .*--ignore-scripts/)
})

t.test('a build sees only what is named', async (t) => {
  const lines = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  t.equal(lines[0], '*')
  t.ok(
    lines.slice(1).every((line) => line.startsWith('!')),
    'everything else is an exception',
  )
})

t.test('compose.yaml starts nothing without its secrets, and gives each container only its own', async (t) => {
  for (const name of Object.keys(SECRETS))
    t.throws(() => readCompose({ ...SECRETS, [name]: '' }), { message: RegExp(name) })
  const { migrate, tenantry } = readCompose(SECRETS).services
  t.same(migrate.environment, { DATABASE_URL: 'postgres://tenantry_owner:owner@database:5432/tenantry' })
  t.equal(tenantry.environment?.DATABASE_URL, 'postgres://tenantry_service:service@database:5432/tenantry')
  t.notMatch(JSON.stringify(tenantry), /owner|superuser/, 'the service does not know the owner')
  t.notMatch(readFileSync(COMPOSE, 'utf8'), /:latest/)
})

t.test('the service starts after the migration has ended well, and both may do little', async (t) => {
  const { services } = readCompose(SECRETS)
  t.match(services.migrate.depends_on, { database: { condition: 'service_healthy' } })
  t.match(services.tenantry.depends_on, { migrate: { condition: 'service_completed_successfully' } })
  const hardened: Partial<ComposeService> = { cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] }
  for (const service of Object.values(services)) t.match(service, hardened)
  for (const service of [services.migrate, services.tenantry]) t.match(service, { read_only: true, init: true })
})
