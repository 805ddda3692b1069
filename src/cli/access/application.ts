// Brings a service to what an access file says, or only tells what that would mean.
import { type TenantryClient, unwrap } from '@tenantry/client'
import { CommandError, EXIT, UsageError } from '../failures.ts'
import { print, printLines } from '../output.ts'
import { type Change, changesBetween, isDestructive } from './differences.ts'
import { readAccessFile } from './file.ts'
import { SECTIONS } from './form.ts'
import { readPresent } from './present.ts'
import { type Secrets, secretsTo } from './secrets.ts'
import { type Step, stepsOf } from './steps.ts'
import { linesOf, nameOf, summaryOf, viewOf } from './words.ts'

export interface Options {
  json?: boolean
  dryRun: boolean
  check: boolean
  prune: boolean
  secretsOut?: string
}

export const applyFile = async (
  tenantry: TenantryClient,
  file: string,
  heirs: ReadonlyMap<string, string>,
  options: Options,
): Promise<void> => {
  const access = await readAccessFile(file)
  const own_key = await platformKey(tenantry)
  const present = await readPresent(
    tenantry,
    SECTIONS.filter((section) => access[section] !== undefined),
  )
  const changes = changesBetween(access, present)
  if (!options.json)
    printLines(changes.length === 0 ? ['Nothing to change.'] : [...linesOf(changes), summaryOf(changes)])
  const isOnlyTold = options.check || options.dryRun
  if (options.check && changes.length > 0) process.exitCode = EXIT.failed
  if (isOnlyTold || changes.length === 0) return tell(options, changes, false)
  requireAllowed(changes, options)
  requireHeirsOfGone(changes, heirs)
  requireOwnKeyStays(changes, own_key)
  const work = { tenantry, access, catalogue_revision: present.catalogue.revision, heirs }
  const isMaking = changes.some(
    ({ section, action }) => section === 'api_keys' && (action === 'add' || action === 'replace'),
  )
  const secrets = isMaking ? secretsTo(options.secretsOut, options.json === true) : undefined
  await carryOut(stepsOf(changes, work), secrets, options)
  tell(options, changes, true, secrets?.collected)
  if (!options.json) printLines(['Done.'])
}

/** The id of the key that speaks. @throws CommandError for a tenant's credential, whose roles and keys would be the tenant's */
const platformKey = async (tenantry: TenantryClient): Promise<string> => {
  const { type, id, tenant_id } = await unwrap(tenantry.GET('/me'))
  if (type === 'api_key' && tenant_id === null) return id
  throw new CommandError('This needs an API key of the platform, and the one given belongs to a tenant.')
}

const tell = (
  { json }: Options,
  changes: readonly Change[],
  applied: boolean,
  secrets?: Record<string, string>,
): void => {
  if (json) print({ json }, { applied, changes: changes.map(viewOf), ...(secrets && { secrets }) }, [])
}

const requireAllowed = (changes: readonly Change[], { prune }: Options): void => {
  const destructive = changes.filter(isDestructive)
  if (prune || destructive.length === 0) return
  const names = destructive.map((change) => `  ${nameOf(change)}`)
  throw new CommandError(
    [
      'Nothing was done, because this takes something away. Put it into the file, or apply with --prune:',
      ...names,
    ].join('\n'),
  )
}

const requireHeirsOfGone = (changes: readonly Change[], heirs: ReadonlyMap<string, string>): void => {
  const gone = changes.filter(({ section, action }) => section === 'roles' && action === 'remove').map(({ key }) => key)
  const odd = [...heirs.keys()].find((key) => !gone.includes(key))
  if (odd !== undefined) throw new UsageError(`--remap ${odd}=…: this role does not go`)
}

const requireOwnKeyStays = (changes: readonly Change[], own_key: string): void => {
  const isOwn = ({ section, present }: Change): boolean => section === 'api_keys' && present?.id === own_key
  const change = changes.find(isOwn)
  if (change) throw new CommandError(`Nothing was done: this would end the key that it is done with, "${change.key}".`)
}

const carryOut = async (steps: readonly Step[], secrets: Secrets | undefined, options: Options): Promise<void> => {
  let done = 0
  try {
    for (const { changes, run } of steps) {
      const secret = await run()
      if (secret !== undefined) secrets?.keep(changes[0]?.key ?? '', secret)
      done++
    }
  } catch (error) {
    sayHowFar(steps, done, secrets, options)
    throw error
  } finally {
    secrets?.close()
  }
}

/** What is done stays; the next run goes on from there. */
const sayHowFar = (steps: readonly Step[], done: number, secrets: Secrets | undefined, options: Options): void => {
  const changesOf = (some: readonly Step[]): Change[] => some.flatMap(({ changes }) => changes)
  const [before, after] = [changesOf(steps.slice(0, done)), changesOf(steps.slice(done))]
  if (options.json) {
    const outcome = { applied: false, done: before.map(viewOf), not_done: after.map(viewOf) }
    print({ json: true }, { ...outcome, ...(secrets?.collected && { secrets: secrets.collected }) }, [])
    return
  }
  const lines = [
    ...before.map((change) => `done      ${nameOf(change)}`),
    ...after.map((change) => `not done  ${nameOf(change)}`),
  ]
  process.stderr.write(`${[...lines, 'What is done stays; apply the file again for the rest.'].join('\n')}\n`)
}
