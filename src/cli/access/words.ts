// The difference between an access file and the service, for a person to read.
import { printable } from '../output.ts'
import { type Action, type Change, type Difference, isDestructive } from './differences.ts'
import { SECTIONS } from './form.ts'

const SIGNS: Record<Action, string> = { add: '+', change: '~', replace: '!', remove: '-', reset: '!' }
const NOTES: Partial<Record<Action, string>> = {
  replace: ' (cannot be changed: another takes its place)',
  reset: ' (not in the file: back to what is built in)',
}

export const linesOf = (changes: readonly Change[]): string[] =>
  SECTIONS.flatMap((section) => {
    const own = changes.filter((change) => change.section === section)
    return own.length === 0 ? [] : [section, ...own.flatMap(linesOfChange)]
  })

const linesOfChange = ({ action, key, differences }: Change): string[] => [
  `  ${SIGNS[action]} ${printable(key)}${NOTES[action] ?? ''}`,
  ...(action === 'add' ? differences.filter(({ to }) => !isNothing(to)) : differences)
    .flatMap((difference) => (action === 'add' ? fieldOf(difference) : stepOf(difference)))
    .map((line) => `      ${line}`),
]

const isNothing = (value: unknown): boolean =>
  value === null || value === '' || value === false || (Array.isArray(value) && value.length === 0)

const fieldOf = ({ field, to }: Difference): string[] =>
  isLong(to) ? [`${field}:`, ...linesIn(to).map((line) => `  + ${line}`)] : [`${field}: ${wordOf(to)}`]

const stepOf = ({ field, from, to }: Difference): string[] => {
  if (isLong(from) || isLong(to)) return [`${field}:`, ...textStep(linesIn(from), linesIn(to))]
  if (!Array.isArray(from) || !Array.isArray(to)) return [`${field}: ${wordOf(from)} -> ${wordOf(to)}`]
  const come = to.filter((each) => !from.includes(each)).map((each) => ` +${wordOf(each)}`)
  const gone = from.filter((each) => !to.includes(each)).map((each) => ` -${wordOf(each)}`)
  return [`${field}:${[...come, ...gone].join('')}`]
}

const isLong = (value: unknown): boolean => typeof value === 'string' && value.trimEnd().includes('\n')

const linesIn = (value: unknown): string[] => String(value).trimEnd().split('\n').map(printable)

/** What is at the beginning and at the end of both is left out. */
const textStep = (from: readonly string[], to: readonly string[]): string[] => {
  const shorter = Math.min(from.length, to.length)
  let [start, end] = [0, 0]
  while (start < shorter && from[start] === to[start]) start++
  while (end < shorter - start && from.at(-1 - end) === to.at(-1 - end)) end++
  const between = (lines: readonly string[]): readonly string[] => lines.slice(start, lines.length - end)
  const changed = [...between(from).map((line) => `  - ${line}`), ...between(to).map((line) => `  + ${line}`)]
  return changed.length === 0 ? ['  (only space at its end)'] : changed
}

const wordOf = (value: unknown): string => {
  if (Array.isArray(value)) return value.map(wordOf).join(', ') || '(none)'
  return printable(typeof value === 'string' ? value || '""' : JSON.stringify(value))
}

/** `2 to add, 1 to change, 1 to remove` */
export const summaryOf = (changes: readonly Change[]): string => {
  const count = (...actions: Action[]): number => changes.filter(({ action }) => actions.includes(action)).length
  const parts = [
    [count('add'), 'to add'],
    [count('change'), 'to change'],
    [count('replace', 'reset'), 'to replace or reset'],
    [count('remove'), 'to remove'],
  ] as const
  return parts.flatMap(([number, what]) => (number > 0 ? [`${number} ${what}`] : [])).join(', ')
}

export const nameOf = ({ section, key, action }: Change): string => `${action} ${section} ${printable(key)}`

/** What a machine gets of a change. */
export const viewOf = (change: Change) => {
  const { section, key, action, differences } = change
  return { section, key, action, destructive: isDestructive(change), differences }
}
