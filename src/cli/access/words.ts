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
  ...(action === 'add' ? differences.filter(({ to }) => !isNothing(to)) : differences).map(
    (difference) => `      ${action === 'add' ? fieldOf(difference) : stepOf(difference)}`,
  ),
]

const isNothing = (value: unknown): boolean =>
  value === null || value === '' || value === false || (Array.isArray(value) && value.length === 0)

const fieldOf = ({ field, to }: Difference): string => `${field}: ${wordOf(to)}`

const stepOf = ({ field, from, to }: Difference): string => {
  if (!Array.isArray(from) || !Array.isArray(to)) return `${field}: ${wordOf(from)} -> ${wordOf(to)}`
  const come = to.filter((each) => !from.includes(each)).map((each) => ` +${wordOf(each)}`)
  const gone = from.filter((each) => !to.includes(each)).map((each) => ` -${wordOf(each)}`)
  return `${field}:${[...come, ...gone].join('')}`
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
