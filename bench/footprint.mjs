// What a process takes before it answers anything: time until it is ready, memory at rest and under load, and how many requests
// that memory serves. Tenantry as it is, Tenantry without facts in memory, and the same question asked of Fastify and pg alone.
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { load } from './load.mjs'
import { cpuSeconds, startModule } from './processes.mjs'
import { summary } from './table.mjs'

const STARTS = 3
const [ROUNDS, SECONDS] = [7, 1.5]
const REST_MS = 3_000 // the first chores are done, and what the start left behind has been collected, or has not
const PATH = '/access/v1/evaluation'

/** Resident memory, in bytes, as the kernel counts it: what a container's limit is compared with. */
const residentBytes = ({ pid }) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024

const untilReady = async (address) => {
  while (!(await fetch(`${address}/readyz`)).ok) await pause(5)
}

const startOf = async ({ start }) => {
  const began = performance.now()
  const process = await start()
  await untilReady(process.address)
  return { ...process, ready_ms: performance.now() - began, ready_cpu_ms: (cpuSeconds(process.child) ?? 0) * 1_000 }
}

const startAndStop = async (side) => {
  const process = await startOf(side)
  await process.stop()
  return process
}

const sidesOf = ({ startReplica, owner_url }) => [
  { name: 'Tenantry', start: () => startReplica() },
  { name: 'Tenantry, asking the database each time', start: () => startReplica({ TENANTRY_STALENESS_MS: '0' }) },
  {
    name: 'Fastify and pg',
    start: async () => {
      const module = await startModule('bare-pg.mjs', { owner_url })
      return { ...module, address: module.ready }
    },
  },
]

const underLoad = async ({ child, address }, credential, bodies) => {
  const result = await load(child, SECONDS, { url: address + PATH, credential, bodies })
  return { ...result, bytes: residentBytes(child) }
}

const median = (values) => summary(values).median

const measured = ({ name, starts, resting, loads }) => {
  const bytes = Math.max(...loads.map((each) => each.bytes))
  const rate = median(loads.map((each) => each.rate))
  const cpu_us = median(loads.map((each) => each.cpu_us))
  return {
    name,
    ready_ms: median(starts.map((each) => each.ready_ms)),
    ready_cpu_ms: median(starts.map((each) => each.ready_cpu_ms)),
    ...{ resting, bytes, rate, cpu_us },
    per_100_mb: rate / (bytes / 1e8),
    core_per_100_mb: 1e6 / cpu_us / (bytes / 1e8),
  }
}

/** One line a side. All run side by side, and take turns with the load. */
export const footprint = async (place, bodies) => {
  const sides = sidesOf(place).map((side) => ({ ...side, starts: [], loads: [] }))
  for (let number = 0; number < STARTS; number++) {
    for (const side of sides) side.starts.push(await startAndStop(side))
  }
  const running = []
  try {
    for (const side of sides) running.push(await startOf(side))
    await pause(REST_MS)
    for (const [at, side] of sides.entries()) side.resting = residentBytes(running[at].child)
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [at, side] of sides.entries()) {
        const result = await underLoad(running[at], place.secret, bodies)
        if (round > 0) side.loads.push(result) // the first is for warming up
      }
    }
    return sides.map(measured)
  } finally {
    await Promise.all(running.map(({ stop }) => stop()))
  }
}
