// Who gets an abandoned directory when two want it at the same moment, and what becomes of a holder that stood still.
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { hostname } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { lockDirectory } from '../../src/database/directory-lock.ts'
import { aFolder } from './processes.ts'

const skip = process.env.TEST_DATABASE_URL === undefined ? false : 'not about a server'

const contender = fileURLToPath(new URL('lock-contender.ts', import.meta.url))

const aContender = (t: Test, directory: string): { child: ChildProcess; answer: Promise<string> } => {
  const child = fork(contender, [directory], {
    execArgv: process.execArgv,
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  return { child, answer: once(child, 'message').then(([answer]) => answer) }
}

const aDeadProcessId = async (): Promise<number> => {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' })
  await once(child, 'exit')
  return child.pid ?? 0
}

const lockOf = (pid: number, nonce: string): string => JSON.stringify({ pid, host: hostname(), nonce })

t.test('of two that find a dead lock the second does not take it from the first', { skip }, async (t) => {
  const directory = aFolder(t)
  const file = path.join(directory, 'lock')
  fs.writeFileSync(file, lockOf(await aDeadProcessId(), 'dead'))
  const first = lockOf(process.ppid, 'first')
  let heart: NodeJS.Timeout | undefined
  t.teardown(() => clearInterval(heart))
  // The other was quicker: between our look and our turn it has taken the lock, and its heart beats.
  const { mkdirSync } = fs
  const restore = (): void => {
    Object.assign(fs, { mkdirSync })
    syncBuiltinESMExports()
  }
  t.teardown(restore)
  Object.assign(fs, {
    mkdirSync: (turnstile: string) => {
      restore()
      fs.rmSync(file)
      fs.writeFileSync(file, first)
      heart = setInterval(() => fs.utimesSync(file, new Date(), new Date()), 50)
      mkdirSync(turnstile)
    },
  })
  syncBuiltinESMExports()
  await t.rejects(lockDirectory(directory), { message: /is in use by another Tenantry process/ })
  t.equal(fs.readFileSync(file, 'utf8'), first)
  t.same(fs.readdirSync(directory), ['lock'], 'and nothing is left of the struggle')
})

const onLinux = process.platform === 'linux' ? skip : 'the system does not say when a process began'

t.test('a holder whose process id somebody else has now is gone', { skip: onLinux }, async (t) => {
  const directory = aFolder(t)
  const left = { pid: process.ppid, host: hostname(), started: 'an earlier boot:4711', nonce: 'left' }
  fs.writeFileSync(path.join(directory, 'lock'), JSON.stringify(left))
  t.equal(await aContender(t, directory).answer, 'taken')
})

t.test('a holder that stands still keeps its directory while it lives', { skip }, async (t) => {
  const directory = aFolder(t)
  const first = aContender(t, directory)
  t.equal(await first.answer, 'taken')
  first.child.kill('SIGSTOP')
  const anHourAgo = new Date(Date.now() - 3_600_000)
  fs.utimesSync(path.join(directory, 'lock'), anHourAgo, anHourAgo)
  t.equal(await aContender(t, directory).answer, 'refused')
  const ended = once(first.child, 'close')
  first.child.kill('SIGKILL')
  await ended
  t.equal(await aContender(t, directory).answer, 'taken', 'and not a moment longer')
})

t.test('a holder that lost its lock ends itself rather than write on', { skip }, async (t) => {
  const directory = aFolder(t)
  const first = aContender(t, directory)
  t.equal(await first.answer, 'taken')
  let said = ''
  first.child.stderr?.on('data', (chunk) => {
    said += chunk
  })
  const ended = once(first.child, 'close')
  fs.writeFileSync(path.join(directory, 'lock'), lockOf(process.ppid, 'somebody else'))
  const [code] = await ended
  t.not(code, 0)
  t.match(said, /was lost to another process/)
  t.equal(await aContender(t, directory).answer, 'refused', 'the other still has it')
})
