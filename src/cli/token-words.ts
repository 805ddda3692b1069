// A token's inspection, for a person to read.
import { fieldsOf } from './output.ts'
import type { Claims, Inspection } from './token-inspection.ts'

const TIMES = new Set(['exp', 'iat', 'nbf'])

/** For a person: times also in words, and the verdict last. */
export const linesOf = (inspection: Inspection, now: Date): string[] => {
  const { valid, reason, detail, issuer, header, claims } = inspection
  return [
    ...section('Header', header),
    ...section('Claims', claims && withTimesInWords(claims, now)),
    'Verified against',
    ...indented(fieldsOf({ issuer, audience: audienceInWords(inspection) })),
    '',
    valid ? `valid: ${detail}` : `not valid: ${detail} (${reason})`,
  ]
}

const indented = (lines: string[]): string[] => lines.map((line) => `  ${line}`)

const section = (title: string, fields: Claims | null): string[] =>
  fields === null ? [`${title}: not to be read`, ''] : [title, ...indented(fieldsOf(fields)), '']

const audienceInWords = ({ audience, audience_given }: Inspection): string => {
  if (audience === null) return 'none: the token names no audience'
  return audience_given ? audience : `${audience} (the token's own word; give --audience to check that it is for you)`
}

const withTimesInWords = (claims: Claims, now: Date): Claims =>
  Object.fromEntries(
    Object.entries(claims).map(([name, value]) => [name, TIMES.has(name) ? timeInWords(value, now) : value]),
  )

const timeInWords = (seconds: unknown, now: Date): unknown => {
  const time = new Date(Number(seconds) * 1000)
  if (typeof seconds !== 'number' || Number.isNaN(time.getTime())) return seconds
  return `${time.toISOString()} (${distanceInWords(time.getTime() - now.getTime())})`
}

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
] as const

const WORDS = new Intl.RelativeTimeFormat('en', { numeric: 'always' })

/** `in 4 minutes`, `3 days ago`. Rounded towards now, so that what is over never reads as still to come. */
const distanceInWords = (ms: number): string => {
  const [unit, length] = UNITS.find(([, length]) => Math.abs(ms) >= length) ?? (['second', 1000] as const)
  return WORDS.format(Math.trunc(ms / length), unit)
}
