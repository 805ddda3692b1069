// Whether more replicas answer more: the processor time of a check at one replica and at each of several, and PostgreSQL's, which
// they share. Rates would only tell how many cores the bench has.

import { postgresCpuMs, postmasterOf } from './at-size.mjs'
import { load } from './load.mjs'
import { summary } from './table.mjs'

const [ROUNDS, SECONDS, IDLE_MS] = [5, 1.5, 5_000]
const PATH = '/access/v1/evaluation'

const loaded = async (replicas, postmaster, ask) => {
  const before = postgresCpuMs(postmaster)
  const results = await Promise.all(replicas.map(ask))
  const requests = results.reduce((sum, { rate }) => sum + rate * SECONDS, 0)
  const cpu_us = results.reduce((sum, result) => sum + result.cpu_us, 0) / results.length
  return { cpu_us, postgres_us: ((postgresCpuMs(postmaster) - before) / requests) * 1_000 }
}

/** Of one core, by PostgreSQL, for replicas that answer nothing but follow what changes. */
const idleShare = async (postmaster) => {
  const before = postgresCpuMs(postmaster)
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS))
  return (postgresCpuMs(postmaster) - before) / IDLE_MS
}

/** One line for a number of replicas. */
export const replicasUnderLoad = async ({ owner_url, secret }, replicas, bodies, name) => {
  const postmaster = await postmasterOf(owner_url)
  const ask = ({ child, address }) => load(child, SECONDS, { url: address + PATH, credential: secret, bodies })
  const results = []
  for (let round = 0; round <= ROUNDS; round++) {
    const result = await loaded(replicas, postmaster, ask)
    if (round > 0) results.push(result)
  }
  const median = (key) => summary(results.map((each) => each[key])).median
  return {
    ...{ name, replicas: replicas.length, idle: await idleShare(postmaster) },
    ...{ cpu_us: median('cpu_us'), postgres_us: median('postgres_us') },
  }
}
