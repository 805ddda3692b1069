// HTTP in and out of policies. A text is read before anything is locked.
import type { components } from '@tenantry/client/contract'
import type { Database } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import type { Call, Handlers } from '../http/handlers.ts'
import { afterId, DEFAULT_LIMIT, pageOf } from '../http/pagination.ts'
import { etagOf } from '../http/preconditions.ts'
import { tenantOf } from '../http/scope.ts'
import { type Write, writeHeaders } from '../http/write.ts'
import { meaningOf } from './language.ts'
import { changePolicy, createPolicy, removePolicy, type Which } from './operations.ts'
import { findPolicy, listPolicies, type PolicyRow } from './queries.ts'

type Mine = 'createPolicy' | 'listPolicies' | 'getPolicy' | 'updatePolicy' | 'deletePolicy'

const viewOf = ({ history_id: _, reads_resource: __, ...policy }: PolicyRow): components['schemas']['Policy'] => policy

const whichOf = ({ path, if_match }: Pick<Call<'deletePolicy'>, 'path' | 'if_match'>): Which => ({
  ...{ id: path.policy_id, ifMatch: if_match },
})

export const policyHandlers = ({ database, write }: { database: Database; write: Write }): Pick<Handlers, Mine> => ({
  createPolicy: async (call) => {
    const { tenant_id: _, ...input } = call.body
    const meaning = meaningOf(input.text)
    return write(call, async (tx, by) => {
      const { policy, history } = await createPolicy(tx, by, call.scope, input, meaning)
      const headers = { ...writeHeaders(history, policy.revision), Location: `/policies/${policy.id}` }
      return { status: 201, body: viewOf(policy), headers }
    })
  },

  listPolicies: async ({ scope, query: { limit = DEFAULT_LIMIT, cursor, key, shared } }) => {
    const filter = { tenant_id: tenantOf(scope), key, shared, after: afterId(cursor), limit: limit + 1 }
    const rows = await database.within(scope, 'list policies of all tenants', (tx) => listPolicies(tx, filter))
    return { status: 200, body: pageOf(rows, limit, viewOf, ({ id }) => id) }
  },

  getPolicy: async ({ scope, path }) => {
    const policy = await database.within(scope, 'get a shared policy', (tx) => findPolicy(tx, path.policy_id))
    if (!policy) throw new Problem('policy.not_found')
    return { status: 200, body: viewOf(policy), headers: { ETag: etagOf(policy.revision) } }
  },

  updatePolicy: async (call) => {
    const meaning = call.body.text === undefined ? undefined : meaningOf(call.body.text)
    return write(call, async (tx, by) => {
      const { policy, history } = await changePolicy(tx, by, call.scope, whichOf(call), call.body, meaning)
      return { status: 200, body: viewOf(policy), headers: writeHeaders(history, policy.revision) }
    })
  },

  deletePolicy: (call) =>
    write(call, async (tx, by) => ({
      ...{ status: 204, body: undefined },
      headers: writeHeaders(await removePolicy(tx, by, call.scope, whichOf(call))),
    })),
})
