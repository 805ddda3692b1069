// tenantry events list
import type { TenantryClient } from '@tenantry/client'
import type { Command } from 'commander'
import { given, wholeNumber } from './arguments.ts'
import { print, tableOf } from './output.ts'
import { readAll } from './pages.ts'
import { onService, type ServiceOptions, withService } from './service.ts'
import { tenantIdIfNamed } from './tenants.ts'

interface List extends ServiceOptions {
  tenant?: string
  last: number
  after?: number
  type?: string
}

export const addEventCommands = (program: Command): void => {
  const events = program.command('events').description("read a tenant's history")
  onService(events.command('list').description('list the newest events of a tenant, the newest last'))
    .option('--tenant <tenant>', "its id or slug (a tenant's own key may leave it out)")
    .option('--last <n>', 'of the last so many', wholeNumber, 20)
    .option('--after <revision>', 'instead: all that came after this one', wholeNumber)
    .option('--type <type>', 'only those of this type, e.g. membership.created')
    .action(list)
}

const list = ({ tenant, last, after, type, ...options }: List): Promise<void> =>
  withService(options, async (tenantry) => {
    const { unwrap } = await import('@tenantry/client')
    const tenant_id = await tenantIdIfNamed(tenantry, tenant)
    const from = after ?? Math.max(0, (await lastRevision(tenantry, tenant_id)) - last)
    const query = { after: from, ...given({ tenant_id, type }) }
    const events = await readAll(undefined, (page) =>
      unwrap(tenantry.GET('/events', { params: { query: { ...query, ...page } } })),
    )
    const rows = events.data.map(({ revision, created_at, type, actor, data }) => ({
      ...{ revision, created_at, type, data },
      actor: actor.id === null ? actor.type : `${actor.type} ${actor.id}`,
    }))
    print(options, events, tableOf(rows, ['revision', 'created_at', 'type', 'actor', 'data']))
  })

/** A history has no gaps, so its end is found by asking whether there is anything after a revision: some thirty questions. */
const lastRevision = async (tenantry: TenantryClient, tenant_id: string | undefined): Promise<number> => {
  const { unwrap } = await import('@tenantry/client')
  const isBehind = async (after: number): Promise<boolean> => {
    const query = { after, limit: 1, ...given({ tenant_id }) }
    return (await unwrap(tenantry.GET('/events', { params: { query } }))).data.length > 0
  }
  let [low, high] = [0, 1] // something is behind every revision below `low`, and nothing behind `high`
  while (await isBehind(high)) [low, high] = [high + 1, high * 2]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (await isBehind(middle)) low = middle + 1
    else high = middle
  }
  return low
}
