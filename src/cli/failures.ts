// What a command ends with when it cannot do its work: words for a person (or JSON), and an exit status for a script.
import { CommanderError } from 'commander'
import { ConfigError } from '../config.ts'
import { printable } from './output.ts'

export const EXIT = { failed: 1, usage: 2, config: 78 } as const // 78 is EX_CONFIG of sysexits.h: trying again will not help

/** Something that the person can understand and act upon; no bug of ours, so no stack. */
export class CommandError extends Error {}

/** The command line itself is wrong. */
export class UsageError extends CommandError {}

/** What is said of a failure; machines get it as JSON. */
interface Failure {
  exit: number
  code: string | null
  detail: string
  [more: string]: unknown
}

/** Says on stderr what went wrong, and answers the exit status. */
export const reportFailure = async (error: unknown, asJson: boolean): Promise<number> => {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage // commander has said it already
  const { exit, ...failure } = (await failureOf(error)) ?? unexpected(error)
  process.stderr.write(`${asJson ? JSON.stringify(failure) : wordsOf(failure)}\n`)
  return exit
}

const failureOf = async (error: unknown): Promise<Failure | undefined> => {
  if (!(error instanceof Error)) return undefined
  if (error instanceof ConfigError)
    return { exit: EXIT.config, code: 'config', detail: error.message, errors: error.problems }
  if (error instanceof UsageError) return { exit: EXIT.usage, code: 'usage', detail: error.message }
  if (error instanceof CommandError) return { exit: EXIT.failed, code: null, detail: error.message }
  return (await problemOf(error)) ?? operationalOf(error)
}

/** What the service answered. Loaded here, so that commands which ask no service need not load its client. */
const problemOf = async (error: Error): Promise<Failure | undefined> => {
  const { TenantryProblem } = await import('@tenantry/client')
  if (!(error instanceof TenantryProblem)) return undefined
  const { code, status, problem, message } = error
  if (problem?.code === 'tenant.required') return { exit: EXIT.failed, ...problem, ...ON_COMMAND_LINE }
  return problem === null ? { exit: EXIT.failed, code, status, detail: message } : { exit: EXIT.failed, ...problem }
}

/** On a command line the tenant is no field. */
const ON_COMMAND_LINE = { detail: 'The key belongs to no tenant: say with --tenant which one is meant.', errors: [] }

/** An error of the network, the file system or PostgreSQL has a code, which is enough to act upon. */
const operationalOf = (error: Error): Failure | undefined => {
  let inner = error
  while (inner.cause instanceof Error) inner = inner.cause
  const { code } = inner as { code?: unknown }
  if (typeof code !== 'string' || code.startsWith('ERR_')) return undefined
  return { exit: EXIT.failed, code, detail: inner.message || 'it does not answer' }
}

const unexpected = (error: unknown): Failure => ({
  exit: EXIT.failed,
  code: 'unexpected',
  detail: error instanceof Error ? (error.stack ?? error.message) : String(error),
})

const wordsOf = ({ code, detail, type, request_id, errors }: Omit<Failure, 'exit'>): string => {
  const isProblem = typeof request_id === 'string'
  const pointers = isProblem && Array.isArray(errors) ? (errors as { pointer: string; detail: string }[]) : []
  return [
    code === null || code === 'config' || code === 'usage' ? `tenantry: ${detail}` : `tenantry: ${detail} (${code})`,
    ...pointers.map(({ pointer, detail }) => `  ${printable(pointer)}: ${printable(detail)}`),
    ...(isProblem ? [`  more about it: ${printable(String(type))}`, `  request: ${printable(request_id)}`] : []),
  ].join('\n')
}
