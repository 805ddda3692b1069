// The processes of a run: where they may run, how they are asked, and what they have used.
import { execFileSync, fork, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import readline from 'node:readline'
import { fileURLToPath } from 'node:url'

export const CORE_COUNT = availableParallelism() // before this process is pinned
const canPin = CORE_COUNT > 1 && spawnSync('taskset', ['--version']).status === 0

/** What is measured has a core of its own, and so has what makes the load. PostgreSQL goes where there is room. */
export const CORES = canPin ? { measured: '0', load: '1', all: `0-${CORE_COUNT - 1}` } : undefined

const pinned = (cores) => (CORES ? ['taskset', '--cpu-list', cores] : [])

/** And all that it starts from now on, unless that is told where to go. */
export const pinThisProcess = () => {
  if (CORES) execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', CORES.load, String(process.pid)])
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

/** `tenantry serve`, as the container runs it; answers its address and process. It ends with this process at the latest. */
export const startService = async (settings, node_args = []) => {
  const command = [...pinned(CORES?.measured), process.execPath, ...node_args, path('../dist/cli/main.js'), 'serve']
  const child = spawn(command[0], command.slice(1), {
    env: { PATH: process.env.PATH, PORT: '0', ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const kill = () => child.kill()
  process.once('exit', kill)
  child.once('exit', () => process.off('exit', kill))
  for await (const line of readline.createInterface({ input: child.stdout })) {
    const { msg, address } = JSON.parse(line)
    if (msg !== 'listening') continue
    child.stdout.resume() // its log goes nowhere, but it is written
    return { child, address, stop: () => end(child) }
  }
  throw new Error('the service ended instead of listening')
}

/**
 * A module of this folder as a process of its own. It answers each message with one.
 * @param {string} [cores] where it may run; on the core of what is measured unless said otherwise
 */
export const startModule = async (name, argument, cores = CORES?.measured, node_args = []) => {
  const [execPath, ...execArgv] = [...pinned(cores), process.execPath, ...node_args]
  const child = fork(path(name), [JSON.stringify(argument)], { execPath, execArgv })
  const died = once(child, 'exit').then(() => {
    throw new Error(`${name} ended instead of answering`)
  })
  died.catch(() => {}) // one that is stopped has ended, too
  const answer = async () => (await Promise.race([once(child, 'message'), died]))[0]
  const ready = await answer()
  const ask = (message) => {
    child.send(message)
    return answer()
  }
  return { child, ready, ask, stop: () => end(child) }
}

/** In a module: answers every message with what `work` makes of it, after saying that it is ready. */
export const answerWith = (ready, work) => {
  process.on('message', async (message) => process.send(await work(message)))
  process.on('disconnect', () => process.exit())
  process.send(ready)
}

const end = async (child) => {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

const path = (name) => fileURLToPath(new URL(name, import.meta.url))

const TICKS_PER_SECOND = 100 // Linux, everywhere

/** Seconds of processor time that a process has used; undefined where /proc does not say. */
export const cpuSeconds = ({ pid }) => {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  } catch {
    return undefined
  }
}
