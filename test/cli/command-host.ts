// Runs commands of `tenantry` for a test, in a thread: its environment, its output and its exit status are its own, and what
// one command has loaded the next finds.
import { Readable } from 'node:stream'
import { parentPort } from 'node:worker_threads'
import { runCommand } from '../../src/cli/program.ts'

interface Asked {
  args: string[]
  env: Record<string, string>
  input: string
}

const capture = (stream: NodeJS.WriteStream): (() => string) => {
  let text = ''
  stream.write = (chunk: string | Uint8Array): boolean => {
    text += chunk
    return true
  }
  return () => text
}

parentPort?.on('message', async ({ args, env, input }: Asked) => {
  process.env = env
  process.exitCode = undefined
  Object.defineProperty(process, 'stdin', { value: Readable.from([Buffer.from(input)]), configurable: true })
  const [out, err] = [capture(process.stdout), capture(process.stderr)]
  const code = await runCommand(args)
  parentPort?.postMessage({ code, out: out(), err: err() })
})
