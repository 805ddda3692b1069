// Builds tap with the plugins that .taprc names, unless it is built with them already: that takes some seconds, and whatever
// else runs tap meanwhile would find it gone.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const at = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const STAMP = at('node_modules/@tapjs/test/test-built/.tenantry-stamp') // gone with what it is about

const hash = createHash('sha256')
for (const file of ['.taprc', 'package-lock.json']) hash.update(readFileSync(at(file)))
const wanted = hash.digest('hex')

if (!existsSync(STAMP) || readFileSync(STAMP, 'utf8') !== wanted) {
  const { status } = spawnSync(process.execPath, [at('node_modules/tap/dist/esm/run.mjs'), 'build'], {
    stdio: 'inherit',
  })
  if (status === 0) writeFileSync(STAMP, wanted)
  process.exitCode = status ?? 1
}
