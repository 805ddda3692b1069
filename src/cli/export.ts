// tenantry export
import { type Command, InvalidArgumentError } from 'commander'
import { print } from './output.ts'
import { onService, type ServiceOptions, withService } from './service.ts'

const SECTIONS = ['catalogue', 'roles', 'role_sets', 'policies', 'issuers', 'api_keys'] as const
type Section = (typeof SECTIONS)[number]

export const addExportCommand = (program: Command): void => {
  onService(program.command('export').description('write what `tenantry apply` keeps as an access file; never secrets'))
    .argument('[sections...]', `only these: ${SECTIONS.join(', ')}`, section)
    .action(writeForm)
}

const section = (text: string, before: Section[] = []): Section[] => {
  const known = SECTIONS.find((each) => each === text)
  if (known) return [...before, known]
  throw new InvalidArgumentError(`There are ${SECTIONS.join(', ')}.`)
}

const writeForm = (given: Section[] | undefined, options: ServiceOptions): Promise<void> =>
  withService(options, async (tenantry) => {
    const { formOf, namesHeldTwice, yamlOf } = await import('./access/exporting.ts')
    const { readPresent } = await import('./access/present.ts')
    const sections = given?.length ? given : SECTIONS
    const present = await readPresent(tenantry, sections)
    for (const name of namesHeldTwice(present)) {
      process.stderr.write(`Several API keys are called ${JSON.stringify(name)}: only the newest is in the file.\n`)
    }
    const form = formOf(present, sections)
    print(options, form, yamlOf(form).trimEnd().split('\n'))
  })
