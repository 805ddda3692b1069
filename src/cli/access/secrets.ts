// Where the secrets of new API keys go: to a person, or into a file for nobody else. Each is written down as soon as there is
// one, so that none is lost when a later step fails. They are never part of what is logged.
import { closeSync, openSync, writeSync } from 'node:fs'
import { UsageError } from '../failures.ts'
import { printable, printLines } from '../output.ts'

export interface Secrets {
  keep(name: string, secret: string): void
  /** Those to be printed with the rest, for a machine. */
  collected: Record<string, string> | undefined
  close(): void
}

/** @throws UsageError where they would be lost, or shown to a log */
export const secretsTo = (target: string | undefined, asJson: boolean): Secrets => {
  if (target !== undefined && target !== '-') return intoFile(target)
  if (target === undefined && (asJson || !process.stdout.isTTY)) {
    throw new UsageError(
      'API keys would be made, and their secrets are shown once, but not where they may be logged: give --secrets-out <file>, or --secrets-out - to print them all the same',
    )
  }
  return asJson ? collecting() : ontoTerminal()
}

const intoFile = (file: string): Secrets => {
  const descriptor = openNew(file)
  return {
    // A mapping of YAML, line by line.
    keep: (name, secret) => void writeSync(descriptor, `${JSON.stringify(name)}: ${JSON.stringify(secret)}\n`),
    collected: undefined,
    close: () => closeSync(descriptor),
  }
}

/** What is there already may hold secrets, and be read by others. */
const openNew = (file: string): number => {
  try {
    return openSync(file, 'wx', 0o600)
  } catch (error) {
    throw new UsageError(`--secrets-out needs a file that is not there yet: ${(error as Error).message}`)
  }
}

const collecting = (): Secrets => {
  const collected: Record<string, string> = {}
  return {
    keep: (name, secret) => {
      collected[name] = secret
    },
    collected,
    close: () => {},
  }
}

const ontoTerminal = (): Secrets => ({
  keep: (name, secret) => printLines([`The secret of ${printable(name)}, shown now and never again: ${secret}`]),
  collected: undefined,
  close: () => {},
})
