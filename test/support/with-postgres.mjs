// node test/support/with-postgres.mjs [--durable] <command…>
//
// Runs the command with TEST_DATABASE_URL, the superuser's DSN of a PostgreSQL server. Given one already it uses that;
// otherwise it starts a server of its own and removes it afterwards, whatever happens. The command's exit code is passed on.

import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { PostgresNotFound, startPostgres } from './postgres-server.mjs'

const args = process.argv.slice(2)
const durable = args[0] === '--durable'
const [command, ...rest] = durable ? args.slice(1) : args
if (!command) {
  process.stderr.write('usage: node test/support/with-postgres.mjs [--durable] <command…>\n')
  process.exit(2)
}

process.exitCode = process.env.TEST_DATABASE_URL ? await run(process.env.TEST_DATABASE_URL) : await runOnOwnServer()

async function runOnOwnServer() {
  let server
  try {
    server = await startPostgres({ durable })
  } catch (error) {
    process.stderr.write(`${error instanceof PostgresNotFound ? error.message : error.stack}\n`)
    return 1
  }
  try {
    return await run(server.url)
  } finally {
    await server.stop()
  }
}

function run(url) {
  return new Promise((resolve) => {
    const child = spawn(command, rest, { stdio: 'inherit', env: { ...process.env, TEST_DATABASE_URL: url } })
    // Survived here, so that the server is still stopped. Ctrl-C in a terminal has reached the command already.
    process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'))
    for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
    child.once('error', (error) => {
      process.stderr.write(`${command}: ${error.message}\n`)
      resolve(127)
    })
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]))
  })
}
