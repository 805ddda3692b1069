// The image, built from the Dockerfile and run as compose.yaml says, on a real PostgreSQL: `npm run test:image`. Where no
// image can be pulled, the two that the Dockerfile begins with are stand-ins made of this machine (stand-ins.ts), so the
// Node.js in it is this machine's. Everything else is real: the build, its files, the user, the containers.
import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseEnv } from 'node:util'
import { Ajv2020 } from 'ajv/dist/2020.js'
import pg from 'pg'
import t from 'tap'
import { parse } from 'yaml'
import { holdRequest, untilReadyz } from '../cli/command.ts'
import { startPostgres } from '../support/postgres-server.mjs'
import { COMPOSE, type Compose, flagsOf, readCompose } from './compose.ts'
import { Containers, missing } from './podman.ts'
import { standIn, volumes } from './stand-ins.ts'
import { changeable, compressedSize, filesUnder, surplus } from './tree.ts'

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))
const IMAGE = 'localhost/tenantry'

/** Ours, without the image it stands on. */
const BUDGET = { megabytes: 80, compressed_megabytes: 25 }
const MEGABYTE = 1_000_000

const skip = missing()
if (skip) process.stderr.write(`SKIPPED: the image was neither built nor run, which ${skip}\n`)

const containers = new Containers(t)
const { podman } = containers

const freePort = async (): Promise<string> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return String(port)
}

t.test('it is built as the Dockerfile says, and says what it is', { skip }, async (t) => {
  const started = Date.now()
  const file = standIn(podman, join(REPOSITORY, 'Dockerfile'), containers.folder)
  podman(
    ...['build', '--isolation=chroot', '--pull=never', '--format=docker', '--layers=false', '--jobs=2', '--quiet'],
    ...volumes(),
    ...['--build-arg=VERSION=0.1.0', '--build-arg=REVISION=0123abc', `--tag=${IMAGE}`, `--file=${file}`, REPOSITORY],
  )
  t.comment(
    `built in ${Math.round((Date.now() - started) / 1000)} s, with the Node.js of this machine (${process.version})`,
  )
  const [{ Config: config, Healthcheck }] = JSON.parse(podman('image', 'inspect', IMAGE))
  t.match(
    { ...config, Healthcheck },
    {
      User: '65532:65532',
      WorkingDir: '/app',
      Entrypoint: ['/nodejs/bin/node', '/app/dist/cli/main.js'],
      Cmd: ['serve'],
      Healthcheck: { Test: ['CMD', '/nodejs/bin/node', '/app/dist/healthcheck.js'] },
      Labels: {
        'org.opencontainers.image.version': '0.1.0',
        'org.opencontainers.image.revision': '0123abc',
        'org.opencontainers.image.licenses': 'Apache-2.0',
      },
    },
  )
})

t.test('its files belong to root, are what production needs, and are not many', { skip }, async (t) => {
  const mounted = podman('image', 'mount', IMAGE)
  const files = filesUnder(join(mounted, 'app'))
  t.same(
    new Set(files.map(({ path }) => path.split('/')[0])),
    new Set(['CHANGELOG.md', 'LICENSE', 'clients', 'dist', 'drizzle', 'node_modules', 'openapi.yaml', 'package.json']),
  )
  t.same(changeable(files), [])
  t.same(surplus(files), [])
  const megabytes = files.reduce((sum, { size }) => sum + size, 0) / MEGABYTE
  const compressed = compressedSize(mounted, 'app') / MEGABYTE
  t.comment(`${megabytes.toFixed(1)} MB, compressed ${compressed.toFixed(1)} MB, without the image it stands on`)
  t.ok(megabytes < BUDGET.megabytes, `${megabytes} MB`)
  t.ok(compressed < BUDGET.compressed_megabytes, `${compressed} MB compressed`)
  podman('image', 'umount', IMAGE)
})

/** The README's own command, in a directory of its own. */
const makeVariables = (): Record<string, string> => {
  const readme = readFileSync(join(REPOSITORY, 'README.md'), 'utf8')
  const block = /```sh file=\.env\n([\s\S]*?)```/.exec(readme)?.[1]
  execFileSync('sh', ['-euc', block ?? 'exit 1'], { cwd: containers.folder })
  return parseEnv(readFileSync(join(containers.folder, '.env'), 'utf8')) as Record<string, string>
}

/** What the database's own container would do with the file of roles. */
const makeRoles = (database: URL, { services, configs }: Compose): void => {
  const file = join(containers.folder, 'roles.sql')
  execFileSync('tee', [file], { input: configs.roles?.content ?? '' })
  const env = { ...process.env, ...services.database.environment }
  execFileSync('psql', ['--no-psqlrc', '-v', 'ON_ERROR_STOP=1', '-f', file, database.href], { env, encoding: 'utf8' })
}

/** The schema that Docker Compose itself goes by, from the module that it is made of. */
const composeSchema = (): object => {
  const go = ['mod', 'download', '-json', 'github.com/compose-spec/compose-go/v2@v2.16.2']
  const { Dir } = JSON.parse(execFileSync('go', go, { cwd: containers.folder, encoding: 'utf8' }))
  return JSON.parse(readFileSync(join(Dir, 'schema/compose-spec.json'), 'utf8'))
}

const noGo = spawnSync('go', ['version']).status !== 0 && 'needs Go, which brings the schema'

t.test('compose.yaml is what the Compose specification says', { skip: skip || noGo }, async (t) => {
  const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(composeSchema())
  const compose = parse(readFileSync(COMPOSE, 'utf8'), { merge: true })
  t.ok(validate(compose), JSON.stringify(validate.errors))
  t.notOk(validate({ ...compose, services: { ...compose.services, tenantry: { imagine: 'no image' } } }))
})

t.test('compose.yaml, service after service, on a real PostgreSQL', { skip }, async (t) => {
  const server = await startPostgres()
  t.teardown(() => server.stop())
  const database = new URL(server.url)
  const variables = makeVariables()
  const compose = readCompose(variables)
  const { migrate, tenantry } = compose.services
  const PORT = await freePort()
  const url = `http://127.0.0.1:${PORT}`
  const serving = [...flagsOf(tenantry, database), `--env=PORT=${PORT}`]

  makeRoles(database, compose)
  t.match(await containers.run('migrate', flagsOf(migrate, database), IMAGE, migrate.command), {
    code: 0,
    out: /^\(nothing\) → \d{4}_\w+\ntenantry_service may work as the service$/,
  })

  const service = containers.start('tenantry', serving, IMAGE, tenantry.command)
  t.match(await service.listening, /^http:\/\/0\.0\.0\.0:|^http:\/\/127/)
  t.doesNotThrow(() => podman('healthcheck', 'run', 'tenantry'))
  t.match(await containers.run('smoke', flagsOf(tenantry, database), IMAGE, ['smoke', '--url', url]), {
    code: 0,
    out: /^(ok .*\n?){5}$/,
  })
  t.match(await containers.run('doctor', serving, IMAGE, ['doctor']), { code: 0, out: /^(ok .*\n?)+$/ })
  const client = new pg.Client({ connectionString: server.url })
  await client.connect()
  const { rows } = await client.query(
    "select usename from pg_stat_activity where application_name = 'tenantry' group by usename",
  )
  await client.end()
  t.same(rows, [{ usename: 'tenantry_service' }], 'the owner is for migrating only')
  podman('kill', '--signal=TERM', 'tenantry')
  t.match(await service.ended, { code: 0 })

  t.test('any user, no capability, nothing to write on, as process 1: it drains and ends with 0', async (t) => {
    const hardened = ['--read-only', '--read-only-tmpfs=false', '--cap-drop=all', '--security-opt=no-new-privileges']
    const env = serving.filter((flag) => flag.startsWith('--env='))
    const alone = containers.start('alone', [...hardened, '--user=12345:0', ...env], IMAGE)
    await alone.listening
    const [{ State }] = JSON.parse(podman('inspect', 'alone'))
    const status = readFileSync(`/proc/${State.Pid}/status`, 'utf8')
    t.match(status, /^NSpid:\t\d+\t1$/m, 'node is process 1')
    t.match(status, /^Uid:\t12345\t12345\t12345\t12345$/m)
    t.match(status, /^CapBnd:\t0000000000000000$/m)
    t.match(status, /^NoNewPrivs:\t1$/m)
    t.throws(() => podman('exec', 'alone', '/nodejs/bin/node', '-e', 'fs.writeFileSync("/tmp/x", "")'), /EROFS/)
    t.doesNotThrow(() => podman('healthcheck', 'run', 'alone'))

    const held = await holdRequest(url, variables.TENANTRY_ROOT_API_KEY ?? '')
    podman('kill', '--signal=TERM', 'alone')
    t.match(await untilReadyz(url, 503), {
      checks: [
        { name: 'database', ok: true },
        { name: 'draining', ok: false },
      ],
    })
    t.match(await held.finish(), /^HTTP\/1.1 201/, 'what was under way is finished')
    t.match(await alone.ended, { code: 0 })
  })
})

t.test('settings that are wrong end it with 78 and everything that is wrong', { skip }, async (t) => {
  const hardened = ['--read-only', '--read-only-tmpfs=false', '--cap-drop=all']
  t.match(await containers.run('bare', hardened, IMAGE), {
    code: 78,
    out: '',
    err: /^tenantry: The settings are not right:\n {2}- DATABASE_URL is not set, and NODE_ENV is production.*$/,
  })
  const elsewhere = [...hardened, '--env=TENANTRY_DATA_DIR=/app/data']
  t.match(await containers.run('elsewhere', elsewhere, IMAGE), { code: 78, err: /cannot be written by user 65532/ })
})

t.test('with a volume it can be tried out on the embedded database', { skip }, async (t) => {
  const volume = ['--read-only', '--cap-drop=all', '--tmpfs=/data:mode=1777', '--env=TENANTRY_DATA_DIR=/data']
  const service = containers.start('embedded', [...volume, `--env=PORT=${await freePort()}`], IMAGE)
  await service.listening
  podman('kill', '--signal=TERM', 'embedded')
  t.match(await service.ended, { code: 0 })
})
