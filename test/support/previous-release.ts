// The release before this one, built from the repository's history beside us: its own code and client, our dependencies.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))
const MODULES = join(REPOSITORY, 'node_modules')

const git = (...args: string[]): string | undefined => {
  const { status, stdout } = spawnSync('git', args, { cwd: REPOSITORY, encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}

/** The newest tag; before the first one, the commit that `drizzle/released.json` names. Undefined where git has neither. */
export const previousRelease = (): string | undefined => {
  const { releases } = JSON.parse(readFileSync(join(REPOSITORY, 'drizzle/released.json'), 'utf8')) as {
    releases: { commit: string | null }[]
  }
  const named =
    git('describe', '--tags', '--abbrev=0', '--match=v*') ?? releases.findLast(({ commit }) => commit)?.commit
  return named == null ? undefined : git('rev-parse', '--verify', '--quiet', `${named}^{commit}`)
}

/** Answers where it lies, compiled (`dist/cli/main.js` is its command); gone when the test ends. */
export const builtRelease = (t: Test, commit: string): string => {
  const place = mkdtempSync(join(tmpdir(), 'tenantry-previous-'))
  t.teardown(() => rmSync(place, { recursive: true, force: true }))
  const archive = execFileSync('git', ['archive', commit], { cwd: REPOSITORY, maxBuffer: 2 ** 28 })
  execFileSync('tar', ['-x', '-C', place], { input: archive })
  const modules = join(place, 'node_modules')
  mkdirSync(join(modules, '@tenantry'), { recursive: true })
  for (const name of readdirSync(MODULES)) {
    if (name !== '@tenantry') symlinkSync(join(MODULES, name), join(modules, name))
  }
  symlinkSync(join(place, 'clients/node'), join(modules, '@tenantry/client'))
  // Its types were checked when it was released.
  const compiler = join(modules, 'typescript/lib/tsc.js')
  execFileSync(process.execPath, [compiler, '--build', '--noCheck'], { cwd: place, stdio: 'pipe' })
  return place
}
