// What npm would publish works in a directory that has nothing but its dependencies. Needs the build, as `npm test` does.

import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'

const run = promisify(execFile)
const packageFolder = fileURLToPath(new URL('..', import.meta.url))

/** The folder of an installed package that Node finds from here. */
function folderOf(name: string): string {
  const [folder = ''] = /^.*\/node_modules\/[^/]+/.exec(fileURLToPath(import.meta.resolve(name))) ?? []
  return folder
}

async function installPacked(folder: string): Promise<void> {
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: packageFolder })
  const [archive = ''] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'))
  const installed = join(folder, 'node_modules/@tenantry/client')
  await mkdir(installed, { recursive: true })
  await run('tar', ['-xzf', join(folder, archive), '-C', installed, '--strip-components=1'])
  await symlink(folderOf('openapi-fetch'), join(folder, 'node_modules/openapi-fetch'))
}

const USE = `
import { createVerifier, contains, BUILT_IN_ROLES } from '@tenantry/client'
import * as contract from '@tenantry/client/contract'
import { createTestIssuer } from '@tenantry/client/testing'
import { currentTenant } from '@tenantry/client/context'
import { tenantry } from '@tenantry/client/fetch'
const [owner, admin] = BUILT_IN_ROLES
console.log(contains([owner], [admin]), typeof createVerifier, Object.keys(contract).length)
for (const framework of ['fastify', 'express', 'hono', 'fetch']) {
  const adapter = await import('@tenantry/client/' + framework)
  const names = ['tenantry', 'getPrincipal', 'requireTenant', 'requireRole', 'requirePermission']
  console.log(framework, names.every((name) => typeof adapter[name] === 'function'))
}
const issuer = createTestIssuer({ audience: 'https://api.example.com' })
const handler = tenantry(issuer.verifierOptions())(() => new Response(currentTenant()))
for (const token of [issuer.tokens.wrongTenant(), issuer.tokens.stale()]) {
  const headers = { authorization: 'Bearer ' + token }
  const response = await handler(new Request('https://api.example.com', { headers }))
  console.log(response.status, (await response.text()).slice(-12))
}
`

t.test('the packed package works where there is no framework, and ends by itself', async (t) => {
  // Far from the repository, whose node_modules would be found from anywhere below it.
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-client-'))
  t.teardown(() => rm(folder, { recursive: true }))
  await installPacked(folder)
  await writeFile(join(folder, 'use.mjs'), USE)
  const { stdout } = await run(process.execPath, [join(folder, 'use.mjs')], { cwd: folder, env: {} })
  for (const framework of ['fastify', 'express', 'hono', 'connect']) {
    const script = `await import("${framework}")`
    await t.rejects(run(process.execPath, ['-e', script, '--input-type=module'], { cwd: folder }))
  }
  t.same(stdout.trim().split('\n'), [
    ...['true function 0', 'fastify true', 'express true', 'hono true', 'fetch true'],
    ...['200 00000000000b', '401 fresh one."}'],
  ])
  const files = await readdir(join(folder, 'node_modules/@tenantry/client'), { recursive: true })
  for (const wanted of ['LICENSE', 'README.md', 'dist/index.js', 'dist/index.d.ts'])
    t.ok(files.includes(wanted), wanted)
  t.same(
    files.filter((file) => /^test|\.test\.|tsbuildinfo|tsconfig/.test(file)),
    [],
  )
})
