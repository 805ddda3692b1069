// `npm run demo` as a newcomer runs it: real processes, and nothing left of them.

import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'

const demo = fileURLToPath(new URL('../../examples/demo.mjs', import.meta.url))

t.test('the demo plays to its end, shows no secret, and leaves nothing behind', async (t) => {
  const place = mkdtempSync(join(tmpdir(), 'tenantry-demo-test-'))
  t.teardown(() => rmSync(place, { recursive: true, force: true }))
  const { stdout } = await promisify(execFile)(process.execPath, [demo], {
    env: { PATH: process.env.PATH, TMPDIR: place },
  })
  t.match(stdout, /\d+ requests, each answered as told/)
  for (const words of ['tenant_mismatch', 'no_role_grants', 'tenant_suspended', 'token.stale', 'tenant.reactivated'])
    t.match(stdout, words)
  t.notMatch(stdout, /tnt_[0-9A-Za-z]{12}/, 'no API key')
  t.notMatch(stdout, /eyJ[\w-]{12}/, 'no token')
  t.same(readdirSync(place), [])
})
