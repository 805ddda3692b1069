// What an image holds, as files.
import { execFileSync } from 'node:child_process'
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

interface Entry {
  path: string
  mode: number
  uid: number
  gid: number
  size: number
}

export const filesUnder = (folder: string): Entry[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((path) => {
    const { mode, uid, gid, size } = lstatSync(join(folder, path))
    return { path, mode, uid, gid, size }
  })

const isLink = ({ mode }: Entry): boolean => (mode & 0o170000) === 0o120000

/** What anybody but root could change, or what would make somebody root. */
export const changeable = (entries: Entry[]): string[] =>
  entries
    .filter((entry) => !isLink(entry) && (entry.uid !== 0 || entry.gid !== 0 || (entry.mode & 0o6022) !== 0))
    .map(({ path }) => path)

const SURPLUS =
  /(^|\/)(npm|typescript|tap|@biomejs|@scalar|@redocly|drizzle-kit)(\/|$)|\.d\.[mc]?ts$|(^|\/)\.(npmrc|env|git|build-stamp|tsbuildinfo)$/

/** What has no business in production. */
export const surplus = (entries: Entry[]): string[] =>
  entries.map(({ path }) => path).filter((path) => SURPLUS.test(path))

/** In bytes, as a registry would store it. */
export const compressedSize = (folder: string, ...names: string[]): number =>
  Number(execFileSync('sh', ['-c', 'tar -C "$0" -cf - "$@" | gzip -6 | wc -c', folder, ...names], { encoding: 'utf8' }))
