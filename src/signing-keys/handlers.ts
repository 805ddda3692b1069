// HTTP in and out of signing keys: which there are, and turning them.
import type { components } from '@tenantry/client/contract'
import { lockPlatform } from '../authorization/recheck.ts'
import type { Database, PlatformTx } from '../database/scope.ts'
import type { Handlers } from '../http/handlers.ts'
import { type Write, writeHeaders } from '../http/write.ts'
import type { Seal } from '../sealing.ts'
import { type Algorithm, generateKey } from './generation.ts'
import { listSigningKeys, type SigningKeyRow } from './queries.ts'
import { announceKey, replaceAllKeys } from './rotation.ts'

type SigningKey = components['schemas']['SigningKey']

const viewOf = ({ kid, algorithm, status, activates_at, retired_at, created_at }: SigningKeyRow): SigningKey => ({
  ...{ kid, algorithm, status, activates_at, retired_at, created_at },
})

const listOf = async (tx: PlatformTx) => ({ data: (await listSigningKeys(tx)).map(viewOf), next_cursor: null })

interface Services {
  database: Database
  write: Write
  seal: Seal
  algorithm: Algorithm
}

export const signingKeyHandlers = ({
  database,
  write,
  seal,
  algorithm,
}: Services): Pick<Handlers, 'listSigningKeys' | 'rotateSigningKeys'> => ({
  listSigningKeys: async () => ({ status: 200, body: await database.asPlatform('list the signing keys', listOf) }),

  rotateSigningKeys: async (call) => {
    const key = await generateKey(algorithm)
    return write(call, async (anyTx, by) => {
      const tx = anyTx as PlatformTx // a platform operation without a tenant runs in the platform's scope
      const history = await lockPlatform(tx, by)
      const turn = call.body?.emergency ? replaceAllKeys : announceKey
      await turn({ tx, history, actor: by.actor, now: by.now }, seal, key)
      return { status: 200, body: await listOf(tx), headers: writeHeaders(history) }
    })
  },
})
