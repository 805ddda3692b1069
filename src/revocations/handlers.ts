// HTTP in and out of revocations: the signed snapshot, and the stream.
import type { components } from '@tenantry/client/contract'
import type { Clock } from '../clock.ts'
import type { Database } from '../database/scope.ts'
import type { Handlers } from '../http/handlers.ts'
import { isKnown, tagOf } from '../http/preconditions.ts'
import { tenantOf } from '../http/scope.ts'
import type { KeyRing } from '../signing-keys/key-ring.ts'
import { readEntries } from './entries.ts'
import type { RevocationStreams } from './streams.ts'
import { resumeFrom } from './wire.ts'

export type Snapshot = components['schemas']['RevocationSnapshot']

interface Services {
  database: Database
  clock: Clock
  issuer: string
  keys: KeyRing
  streams: RevocationStreams
}

// A proxy that gathers an answer before it passes it on would break the stream (nginx is told not to). A stream has its
// connection to itself: kept alive after the end, it would hold up the process that wants to stop.
const STREAM_HEADERS = { 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no', Connection: 'close' }

export const revocationHandlers = ({
  database,
  clock,
  issuer,
  keys,
  streams,
}: Services): Pick<Handlers, 'getRevocations' | 'streamRevocations'> => ({
  getRevocations: async ({ scope, if_none_match }) => {
    const tenant_id = tenantOf(scope)
    const now = clock()
    const { entries, platform_revision, epoch } = await readEntries(database, { since: undefined, tenant_id, now })
    const tenants = tenant_id === undefined ? null : [tenant_id]
    const content = { tenants, entries, epoch: epoch.restored }
    const headers = { ETag: tagOf(content), 'Cache-Control': 'private, no-cache' }
    if (isKnown(if_none_match, headers.ETag)) return { status: 304, body: undefined, headers }
    const { revocations } = await keys.signersAt(platform_revision)
    const body = revocations({ iss: issuer, iat: Math.floor(now.getTime() / 1000), ...content })
    return { status: 200, body, headers }
  },

  streamRevocations: async ({ principal, scope, last_event_id }) => {
    const since = resumeFrom(last_event_id)
    const body = await streams.open({ principal, tenant_id: tenantOf(scope), since })
    return { status: 200, body, headers: STREAM_HEADERS }
  },
})
