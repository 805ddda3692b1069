// A process costs two seconds before its first assertion, and the work of most files is less than that: so the files that
// need no process to themselves share a few, one file at a time. Each runs alone, too: `npx tap test/roles/roles.test.ts`.
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parse } from 'yaml'
import '../support/databases.ts' // what it closes, it closes at the end of the process, not of a file

const ROOT = new URL('../../', import.meta.url)
const FOLDERS = ['test', 'clients/node/test']
const SHARDS = 4

const filesIn = (folder: string): string[] =>
  readdirSync(new URL(folder, ROOT), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)

/** Has a command of its own: `npm run test:faults`. */
const ELSEWHERE = 'test/faults/'

/** Folders whose files .taprc lists: they start processes, servers, or many things at once. */
const alone = (): string[] => {
  const { include } = parse(readFileSync(new URL('.taprc', ROOT), 'utf8')) as { include: string[] }
  return [ELSEWHERE, ...include.map((pattern) => pattern.replace('**/*.test.ts', ''))]
}

/** Every file that is not run alone is in one shard: a new one cannot be forgotten. */
const shard = (number: number): string[] => {
  const apart = alone()
  const shared = FOLDERS.flatMap(filesIn).filter((file) => !apart.some((folder) => file.startsWith(folder)))
  return shared.sort().filter((_, index) => index % SHARDS === number)
}

type Close = () => unknown

/** One file after the other: the next is loaded when the tests of the one before are over and what it opened is closed. */
export const runShard = (number: number): void => {
  const opened: Close[] = []
  t.teardown = (close) => void opened.unshift(close) // by a file for itself; tap would keep it all until the last one is over
  runFiles(shard(number), opened)
}

/** A file's own tests come after this one, which loads it. */
const runFiles = ([file, ...rest]: string[], opened: Close[]): void => {
  t.test(file ?? 'the end', async (loading) => {
    for (const close of opened.splice(0)) await close()
    if (file === undefined) return t.end()
    await loading.resolves(import(fileURLToPath(new URL(file, ROOT)))) // what cannot be loaded does not hide the others
    runFiles(rest, opened)
  })
}
