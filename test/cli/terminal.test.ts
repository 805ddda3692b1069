// `tenantry serve` on a terminal: the banner, and its quick start pasted as it stands. Needs util-linux' `script`.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { banner } from '../../src/cli/banner.ts'
import { prepareDirectory } from '../support/databases.ts'
import { aDirectory, COMMAND, holdRequest, untilReadyz } from './command.ts'

const isThere = (command: string): boolean =>
  /util-linux|^curl/.test(spawnSync(command, ['--version']).stdout?.toString() ?? '')
const skip = isThere('script') && isThere('curl') ? false : 'needs curl and the `script` of util-linux'

t.test('the quick start works as pasted, and a second Ctrl-C ends at once', { skip }, async (t) => {
  const data_dir = aDirectory(t)
  await prepareDirectory(data_dir) // what a first start takes is tried with the README and the demo
  const serve = spawn('script', ['-qec', `${process.execPath} --liftoff-only ${COMMAND} serve --seed`, '/dev/null'], {
    env: { PATH: process.env.PATH, PORT: '0', TENANTRY_DATA_DIR: data_dir },
  })
  t.teardown(() => serve.kill('SIGKILL'))
  let shown = ''
  for await (const text of serve.stdout.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    shown += text.replaceAll('\r', '')
    if (shown.includes('Ctrl-C')) break
  }
  const url = /listening on (\S+)/.exec(shown)?.[1] ?? ''
  t.match(shown, /^ {2}acme +[0-9a-f-]{36}: user_olga \(owner\), user_adam \(admin\)/m)

  const pasted = shown.split('\n').filter((line) => /^ {2}(export|post|TENANT)/.test(line))
  const said = execFileSync('bash', ['-e', '-c', pasted.join('\n')], { encoding: 'utf8' })
    .trim()
    .split('\n')
  const [tenant_id, membership, token, check] = said
  t.match(JSON.parse(membership ?? ''), { tenant_id, user_id: 'user_vera', roles: ['viewer'] })
  t.match(JSON.parse(token ?? ''), { token_type: 'Bearer' })
  t.same(JSON.parse(check ?? ''), { decision: true })

  await holdRequest(url, readFileSync(join(data_dir, 'root-api-key'), 'utf8').trim())
  const exit = once(serve, 'exit')
  serve.stdin.write('\x03')
  await untilReadyz(url, 503)
  serve.stdin.write('\x03')
  t.strictSame(await exit, [130, null])
})

t.test('the banner says where the data is, and quotes what the shell would read', async (t) => {
  const started = { address: 'http://127.0.0.1:3000', seeded: [] }
  const embedded = {
    ...started,
    config: { database_url: undefined, data_dir: "./it's" },
    root_api_key_file: "/it's/root-api-key",
  }
  t.match(banner(embedded), /embedded, in \.\/it's[\s\S]*cat '\/it'\\''s\/root-api-key'/)
  const postgres = {
    ...started,
    config: { database_url: 'postgres://u:secret@db/x', data_dir: '' },
    root_api_key_file: undefined,
  }
  t.match(banner(postgres), /database {3}PostgreSQL\n[\s\S]*\$TENANTRY_ROOT_API_KEY/)
  t.notMatch(banner(postgres), /secret/)
  const own = { id: 'an-id', slug: 'acme', name: 'Acme', members: null }
  t.match(banner({ ...embedded, seeded: [own] }), /acme {7}an-id: no demo tenant, left alone/)
})
