// HTTP in and out of the catalogue of permissions.
import type { Database } from '../database/scope.ts'
import type { Handlers } from '../http/handlers.ts'
import { etagOf } from '../http/preconditions.ts'
import { type Write, writeHeaders } from '../http/write.ts'
import { findCatalogue, replaceCatalogue } from './operations.ts'
import { viewOf } from './warnings.ts'

interface Services {
  database: Database
  write: Write
}

export const permissionHandlers = ({
  database,
  write,
}: Services): Pick<Handlers, 'getCatalogue' | 'replaceCatalogue'> => ({
  getCatalogue: async ({ scope }) => {
    const body = await database.within(scope, 'get the catalogue', async (tx) => viewOf(tx, await findCatalogue(tx)))
    return { status: 200, body, headers: { ETag: etagOf(body.revision) } }
  },

  replaceCatalogue: (call) =>
    write(call, async (tx, by) => {
      const { catalogue, history } = await replaceCatalogue(tx, by, call.if_match, call.body)
      const body = await viewOf(tx, catalogue)
      return { status: 200, body, headers: writeHeaders(history, catalogue.revision) }
    }),
})
