// A process costs two seconds before its first assertion, and the work of most files is less than that: so the files that
// need no process to themselves share a few, one file at a time. Each runs alone, too: `npx tap test/roles/roles.test.ts`.
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parse } from 'yaml'
import '../support/databases.ts' // what it closes, it closes at the end of the process, not of a file

const ROOT = new URL('../../', import.meta.url)
const FOLDERS = ['test', 'clients/node/test']
const BUNDLES = 4

const filesIn = (folder: string): string[] =>
  readdirSync(new URL(folder, ROOT), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)

/** Have commands of their own, `npm run test:faults` and `npm run test:helm`; and a bundle of their own. */
const ELSEWHERE = ['test/faults/', 'test/helm/kubernetes.', 'test/helm/refused.', 'test/cli/']

/** What .taprc lists: it starts servers, many processes, or is about the process itself. */
const alone = (): string[] => {
  const { include } = parse(readFileSync(new URL('.taprc', ROOT), 'utf8')) as { include: string[] }
  return [...ELSEWHERE, ...include.map((pattern) => pattern.replace('**/*.test.ts', ''))]
}

/** Every file that is not run elsewhere is in one bundle: a new one cannot be forgotten. */
const bundle = (number: number): string[] => {
  const apart = alone()
  const shared = FOLDERS.flatMap(filesIn).filter((file) => !apart.some((start) => file.startsWith(start)))
  return shared.sort().filter((_, index) => index % BUNDLES === number)
}

type Close = () => unknown

/** One file after the other: the next is loaded when the tests of the one before are over and what it opened is closed. */
const run = (files: string[]): void => {
  const opened: Close[] = []
  t.teardown = (close) => void opened.unshift(close) // by a file for itself; tap would keep it all until the last one is over
  runNext(files, opened)
}

export const runBundle = (number: number): void => run(bundle(number))

/** A folder as a bundle: what its files share is loaded once. */
export const runFolder = (folder: string): void => run(filesIn(folder).sort())

/** A file's own tests come after this one, which loads it. */
const runNext = ([file, ...rest]: string[], opened: Close[]): void => {
  t.test(file ?? 'the end', async (loading) => {
    for (const close of opened.splice(0)) await close()
    if (file === undefined) return t.end()
    await loading.resolves(import(fileURLToPath(new URL(file, ROOT)))) // what cannot be loaded does not hide the others
    runNext(rest, opened)
  })
}
