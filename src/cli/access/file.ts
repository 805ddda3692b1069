// Reads an access file, and says of everything that is wrong in it where it stands.
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { BUILT_IN_ROLES } from '@tenantry/client'
import { type Document, isCollection, isMap, isPair, isScalar, LineCounter, type Node, parseDocument } from 'yaml'
import type { Pointer } from '../../errors.ts'
import { compileValidator, InvalidPart } from '../../http/schemas.ts'
import { CommandError, UsageError } from '../failures.ts'
import { type Access, completed, completedPermission, LISTS, NAMED_BY } from './form.ts'
import { accessSchema } from './schema.ts'

/** @throws UsageError when there is no such file, CommandError when it is not right */
export const readAccessFile = async (file: string): Promise<Access> => {
  if (file === '-') return parseAccess(await text(process.stdin), 'standard input')
  return parseAccess(
    await readFile(file, 'utf8').catch((error: Error) => {
      throw new UsageError(`${file} cannot be read: ${error.message}`)
    }),
    file,
  )
}

/** @throws CommandError that names every fault with its line */
const parseAccess = (yaml: string, file: string): Access => {
  const lines = new LineCounter()
  const document = parseDocument(yaml, { lineCounter: lines, prettyErrors: false })
  const refuse = (faults: string[]): never => {
    throw new CommandError([`${file} is not right:`, ...faults.map((fault) => `  ${fault}`)].join('\n'))
  }
  const at = (offset: number, what: string): string => {
    const { line, col } = lines.linePos(offset)
    return `line ${line}, column ${col}: ${what}`
  }
  const broken = document.errors.map(({ pos, message }) => at(pos[0], message))
  if (broken.length > 0) refuse(broken)
  const content = dataOf(document, refuse)
  const faults = faultsOf(content)
    .map((fault) => ({ ...fault, offset: offsetOf(document.contents, fault.pointer) }))
    .sort((a, b) => a.offset - b.offset)
  if (faults.length > 0) refuse(faults.map(({ offset, pointer, detail }) => at(offset, `${pointer || '/'}: ${detail}`)))
  return completeForm(content as Access)
}

/** Aliases are resolved only now: one may mean nothing, or far too much. */
const dataOf = (document: Document.Parsed, refuse: (faults: string[]) => never): unknown => {
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    return refuse([(error as Error).message])
  }
}

/** Made when the first file is read. */
let validate: ReturnType<typeof compileValidator> | undefined

const faultsOf = (content: unknown): Pointer[] => {
  validate ??= compileValidator({ schema: accessSchema(), method: '', url: '', httpPart: 'body' })
  const { error } = (validate(content) ?? {}) as { error?: unknown }
  if (error instanceof InvalidPart) return content === null ? [{ pointer: '', detail: 'It is empty.' }] : error.pointers
  return [...twice(content as Access), ...unknownInSets(content as Access), ...secondDefaults(content as Access)]
}

const twice = (access: Access): Pointer[] => [
  ...repeated('/catalogue/permissions', 'key', access.catalogue?.permissions ?? []),
  ...LISTS.flatMap((section) => repeated(`/${section}`, NAMED_BY[section], access[section] ?? [])),
]

const repeated = (at: string, field: string, entries: readonly object[]): Pointer[] => {
  const seen = new Set<unknown>()
  return entries.flatMap((entry, index) => {
    const name = (entry as Record<string, unknown>)[field]
    const isRepeated = seen.has(name)
    seen.add(name)
    return isRepeated ? [{ pointer: `${at}/${index}/${field}`, detail: `"${name}" is there twice.` }] : []
  })
}

/** Only where the file says which roles there are. */
const unknownInSets = ({ roles, role_sets = [] }: Access): Pointer[] => {
  if (roles === undefined) return []
  const known = new Set([...roles, ...BUILT_IN_ROLES].map(({ key }) => key))
  return role_sets.flatMap((set, index) =>
    set.roles.flatMap((key, position) =>
      known.has(key)
        ? []
        : [
            {
              pointer: `/role_sets/${index}/roles/${position}`,
              detail: `"${key}" is no role of this file, nor built in.`,
            },
          ],
    ),
  )
}

const secondDefaults = ({ role_sets = [] }: Access): Pointer[] =>
  role_sets
    .flatMap((set, index) => (set.default ? [index] : []))
    .slice(1)
    .map((index) => ({ pointer: `/role_sets/${index}/default`, detail: 'Another set is the default already.' }))

/** Where the value stands that a JSON pointer means; of what is missing, what it is missing in. */
const offsetOf = (contents: Node | null, pointer: string): number => {
  let node: unknown = contents
  let offset = contents?.range?.[0] ?? 0
  for (const segment of pointer.split('/').slice(1)) {
    const name = segment.replaceAll('~1', '/').replaceAll('~0', '~')
    if (!isCollection(node)) return offset
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === name)
      if (!isPair(pair)) return offset
      offset = (pair.key as Node).range?.[0] ?? offset
      node = pair.value
    } else {
      node = node.items[Number(name)]
      offset = (node as Node | undefined)?.range?.[0] ?? offset
    }
  }
  return offset
}

const completeForm = ({ catalogue, ...access }: Access): Access =>
  ({
    ...(catalogue && {
      catalogue: {
        strict: catalogue.strict,
        permissions: catalogue.permissions.map((each) => completedPermission({ ...each })),
      },
    }),
    ...Object.fromEntries(
      LISTS.filter((section) => access[section] !== undefined).map((section) => [
        section,
        access[section]?.map((entry) => completed(section, { ...entry })),
      ]),
    ),
  }) as Access // every field that the schema lets be left out is there now
