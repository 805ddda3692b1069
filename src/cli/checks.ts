// How commands that examine something say what they found.
import type { Check } from '../database/doctor.ts'
import { EXIT } from './failures.ts'
import { print, printable } from './output.ts'

const lineOf = ({ name, ok, detail }: Check): string => `${ok ? 'ok  ' : 'FAIL'}  ${name}: ${printable(detail)}`

/** Prints every check; one that failed makes the exit status 1. */
export const reportChecks = (options: { json?: boolean }, checks: Check[]): void => {
  const ok = checks.every((check) => check.ok)
  print(options, { ok, checks }, checks.map(lineOf))
  if (!ok) process.exitCode = EXIT.failed
}
