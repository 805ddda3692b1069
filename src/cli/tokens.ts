// tenantry tokens inspect, and where `tokens issue` hangs
import type { Command } from 'commander'
import { CommandError, EXIT, UsageError } from './failures.ts'
import { print } from './output.ts'
import { ANSWER_WITHIN_MS, explainSilence, serviceUrl } from './service.ts'
import type { Expectation, Inspection } from './token-inspection.ts'
import { addIssueCommand } from './token-issue.ts'
import { linesOf } from './token-words.ts'

interface Options {
  url?: string
  issuer?: string
  audience?: string
  json?: boolean
}

export const addTokenCommands = (program: Command): void => {
  const tokens = program.command('tokens').description('issue tokens, and look into them')
  addIssueCommand(tokens)
  tokens
    .command('inspect')
    .description('show what a token says, and whether it is valid')
    .argument(
      '[token]',
      'the token; left out, or -, it is read from standard input, and stays out of the shell history',
    )
    .option('--issuer <url>', "who must have issued it; its keys are fetched there (default: the service's issuer)")
    .option('--audience <audience>', 'whom it must be for (default: whomever it says)')
    .option('--url <url>', 'where the service is (default: TENANTRY_URL, else the service started here)')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nThe exit status is 1 if the token is not valid. Its signature is never printed.')
    .action(inspect)
}

const inspect = async (argument: string | undefined, options: Options): Promise<void> => {
  const token = argument === undefined || argument === '-' ? await readInput() : argument.trim()
  const { inspectToken } = await import('./token-inspection.ts')
  const inspection = await orUnavailable(async () => inspectToken(token, await expectationOf(options)))
  print(options, inspection, linesOf(inspection, new Date()))
  if (!inspection.valid) process.exitCode = EXIT.failed
}

const LONGEST_INPUT = 65_536

const readInput = async (): Promise<string> => {
  if (process.stdin.isTTY) process.stderr.write('Paste the token, then Enter and Ctrl-D:\n')
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += chunk
    if (text.length > LONGEST_INPUT) break
  }
  if (text.trim() === '') throw new UsageError('There is no token: give it as an argument or on standard input.')
  return text.trim()
}

/** The issuer that was named, or the one that the service says it is; then its keys come from where the service was found. */
const expectationOf = async (options: Options): Promise<Expectation> => {
  const { issuer, audience } = options
  if (issuer !== undefined) {
    if (!URL.canParse(issuer)) throw new UsageError('--issuer must be a URL like https://tenantry.example.com')
    return { issuer, audience }
  }
  const url = serviceUrl(options, process.env)
  return { issuer: await discoverIssuer(url), jwks_uri: `${url}/.well-known/jwks.json`, audience }
}

const discoverIssuer = (url: string): Promise<string> =>
  explainSilence(url, async () => {
    const response = await fetch(`${url}/.well-known/oauth-authorization-server`, {
      redirect: 'error',
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    })
    const metadata = response.ok ? ((await response.json()) as { issuer?: unknown } | null) : null
    if (typeof metadata?.issuer === 'string') return metadata.issuer
    throw new CommandError(
      `What answers at ${url} is not Tenantry. Name the issuer with --issuer, or the service with --url.`,
    )
  })

/** Without the issuer's keys nothing can be said of a token, neither good nor bad. */
const orUnavailable = async (work: () => Promise<Inspection>): Promise<Inspection> => {
  const { TenantryError } = await import('@tenantry/client')
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof TenantryError && error.code === 'jwks_unavailable')) throw error
    const cause = error.cause instanceof Error ? ` (${error.cause.message})` : ''
    throw new CommandError(`The token cannot be judged: ${error.message}${cause}`, { cause: error })
  }
}
