// A process costs two seconds before its first assertion, and the work of most files is less than that: so the files that
// need no process to themselves share a few. Each runs alone, too: `npx tap test/roles/roles.test.ts`.
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parse } from 'yaml'

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

/** The files' own tests come after this one: until all are there, the suite must not take itself for done. */
export const runShard = (number: number): void => {
  const files = shard(number)
  t.test(`these files: ${files.join(', ')}`, async (t) => {
    for (const file of files) {
      await t.resolves(import(fileURLToPath(new URL(file, ROOT))), file) // one that cannot be loaded does not hide the others
    }
  })
}
