// How long a change of access takes until verifiers refuse what it made stale, while a crowd of others follows as well.
import { setTimeout as pause } from 'node:timers/promises'
import { createVerifier } from '@tenantry/client'
import { feedOf } from './place.mjs'
import { CORES, cpuSeconds, startModule } from './processes.mjs'
import { quantilesOf } from './table.mjs'

const STREAMS = 1_000
const STREAMS_OF_A_KEY = 200 // the service grants no more
const VERIFIERS = 5
const CHANGES = 100
const IDLE_SECONDS = 5
const LOOK_EVERY_MS = 1
const GIVE_UP_MS = 10_000
const POLL_MS = 100 // of the service: changes must not fall in step with it

const crowdAt = ({ post }, replicas) => {
  const streams = Math.floor(STREAMS / replicas.length)
  const key_count = Math.ceil(streams / STREAMS_OF_A_KEY)
  return Promise.all(
    replicas.map(async (replica) => {
      const feeds = await Promise.all(Array.from({ length: key_count }, () => feedOf(post, replica)))
      return startModule('crowd.mjs', { feeds, streams }, CORES?.load)
    }),
  )
}

const aVerifier = async ({ issuer }, address, revocations) => {
  const jwks_uri = `${address}/.well-known/jwks.json`
  const verifier = createVerifier({ issuer, audience: issuer, jwks_uri, revocations })
  await verifier.ready()
  return verifier
}

const isAccepted = (verifier, token) =>
  verifier.verify(token).then(
    () => true,
    (error) => {
      if (error.code === 'stale_token') return false
      throw error
    },
  )

const refusedAt = async (verifier, token, from) => {
  while (await isAccepted(verifier, token)) {
    if (performance.now() - from > GIVE_UP_MS) throw new Error('a change did not arrive')
    await pause(LOOK_EVERY_MS)
  }
  return performance.now()
}

const aMember = async ({ post, issuer, tenants }, number) => {
  const { id: tenant_id } = tenants[number % tenants.length]
  const { id, user_id } = await post('/memberships', { tenant_id, user_id: `passing_${process.hrtime.bigint()}` })
  const { access_token } = await post('/tokens', { tenant_id, user_id, audience: issuer })
  return { id, token: access_token }
}

/** From when the change was sent, so what it takes to make is in it. In milliseconds, one for each verifier. */
const change = async (place, verifiers, number) => {
  const { id, token } = await aMember(place, number)
  for (const verifier of verifiers) {
    if (!(await isAccepted(verifier, token))) throw new Error('a fresh token was stale')
  }
  await pause(Math.random() * POLL_MS)
  const sent = performance.now()
  const made = place.post(`/memberships/${id}/suspend`).then(() => performance.now())
  const refused = await Promise.all(verifiers.map((verifier) => refusedAt(verifier, token, sent)))
  return { made: (await made) - sent, refused: refused.map((at) => at - sent) }
}

/** Of one core, by a service that has nothing else to do. */
const idleShare = async ({ child }) => {
  const before = cpuSeconds(child)
  await pause(IDLE_SECONDS * 1_000)
  return before === undefined ? undefined : (cpuSeconds(child) - before) / IDLE_SECONDS
}

/** The changes are made at the place's own service; those who measure follow the last of the replicas. */
export const propagation = async (place, replicas) => {
  const alone = await idleShare(place.service)
  const crowd = await crowdAt(place, replicas)
  const followed = replicas.at(-1)
  const verifiers = []
  try {
    const feed = await feedOf(place.post, followed)
    while (verifiers.length < VERIFIERS) verifiers.push(await aVerifier(place, followed.address, feed))
    const idle = await idleShare(place.service)
    const changes = []
    for (let number = 0; number < CHANGES; number++) changes.push(await change(place, verifiers, number))
    const counts = await Promise.all(crowd.map(({ ask }) => ask('how many still follow')))
    const streams = counts.reduce((sum, count) => sum + count, 0)
    return {
      ...{ replicas: replicas.length, streams, alone, idle },
      refused: quantilesOf(changes.flatMap(({ refused }) => refused)),
      made: quantilesOf(changes.map(({ made }) => made)),
    }
  } finally {
    for (const verifier of verifiers) verifier.close()
    await Promise.all(crowd.map(({ stop }) => stop()))
  }
}
