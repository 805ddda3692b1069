// What commands print: aligned lines for a person, JSON for a machine.

/** Control characters and reversed writing could redraw a terminal or hide text in it: they are shown, not sent. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what is looked for
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g

export const printable = (text: string): string =>
  text.replaceAll(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)

const cellOf = (value: unknown): string => {
  if (value === null || value === undefined) return '-'
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(cellOf).join(',')
  return printable(typeof value === 'string' ? value : JSON.stringify(value))
}

const align = (rows: string[][]): string[] => {
  const widths = rows.reduce<number[]>((known, row) => row.map((cell, i) => Math.max(known[i] ?? 0, cell.length)), [])
  return rows.map((row) => row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join('  '))
}

/** A head line and one line for each item, in the columns named. */
export const tableOf = <T extends object>(items: readonly T[], columns: readonly (keyof T & string)[]): string[] =>
  align([
    columns.map((column) => column.toUpperCase()),
    ...items.map((item) => columns.map((column) => cellOf(item[column]))),
  ])

/** One line for each field. */
export const fieldsOf = (fields: Record<string, unknown>): string[] =>
  align(Object.entries(fields).map(([name, value]) => [name, cellOf(value)]))

export const printLines = (lines: readonly string[]): void => {
  process.stdout.write(lines.map((line) => `${line}\n`).join(''))
}

/** The value as JSON if the command was asked for JSON, else the lines. */
export const print = ({ json }: { json?: boolean }, value: unknown, lines: readonly string[]): void =>
  printLines(json ? [JSON.stringify(value, null, 2)] : lines)
