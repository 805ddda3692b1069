// What is written on a command line, judged and read.
import { InvalidArgumentError } from 'commander'

export const wholeNumber = (text: string): number => {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is a whole number from 1.')
}

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/i

/** As RFC 3339 has it; the seconds may be left out. */
export const instant = (text: string): string => {
  const time = new Date(text)
  if (INSTANT.test(text) && !Number.isNaN(time.getTime())) return time.toISOString()
  throw new InvalidArgumentError('It is an instant with its zone, e.g. 2027-01-31T18:00:00Z.')
}

export const instantOrNever = (text: string): string => (text === 'never' ? text : instant(text))

/** An object, as JSON has it. */
export const jsonObject = (text: string): { [name: string]: unknown } => {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  } catch {
    // as wrong as what is JSON and no object
  }
  throw new InvalidArgumentError('It is an object in JSON, e.g. \'{"amount": 100}\'.')
}

/** An option that may be given several times. */
export const several = (text: string, before: string[] = []): string[] => [...before, text]

type Given<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>
}

/** The fields that were given: the contract knows no `undefined`. */
export const given = <T extends object>(fields: T): Given<T> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<T> // what was left in
