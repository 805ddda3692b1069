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
import { requireRole } from '@tenantry/client/fastify'
const [owner, admin] = BUILT_IN_ROLES
console.log(contains([owner], [admin]), typeof createVerifier, typeof requireRole, Object.keys(contract).length)
`

t.test('the packed package works where there is no fastify', async (t) => {
  // Far from the repository, whose node_modules would be found from anywhere below it.
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-client-'))
  t.teardown(() => rm(folder, { recursive: true }))
  await installPacked(folder)
  await writeFile(join(folder, 'use.mjs'), USE)
  const { stdout } = await run(process.execPath, [join(folder, 'use.mjs')], { cwd: folder, env: {} })
  await t.rejects(run(process.execPath, ['-e', 'await import("fastify")', '--input-type=module'], { cwd: folder }))
  t.equal(stdout.trim(), 'true function function 0')
  const files = await readdir(join(folder, 'node_modules/@tenantry/client'), { recursive: true })
  for (const wanted of ['LICENSE', 'README.md', 'dist/index.js', 'dist/index.d.ts'])
    t.ok(files.includes(wanted), wanted)
  t.same(
    files.filter((file) => /test|tsbuildinfo|tsconfig/.test(file)),
    [],
  )
})
