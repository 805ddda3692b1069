// Runs what installs and generates; what cannot be had here is told apart from what is wrong.
import { spawnSync } from 'node:child_process'

/** A command or a registry is not there. */
export class Unavailable extends Error {}

const AWAY =
  /ENOENT|dial tcp|no such host|connection refused|network is unreachable|timed? ?out|Temporary failure|from versions: none|No module named pip/i

/** @throws Unavailable */
export const run = (command: string, args: string[], environment: NodeJS.ProcessEnv = {}): string => {
  const env = { ...process.env, ...environment }
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', env })
  if (!error && status === 0) return stdout
  const reason = error?.message ?? stderr.slice(-2000)
  throw new (AWAY.test(reason) ? Unavailable : Error)(`${command} ${args.join(' ')}: ${reason}`)
}
