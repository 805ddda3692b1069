// The contract that is served, read once, however many services there are in a process. The build leaves it parsed beside
// the code: reading YAML would take a third of a second of every start. Where nothing was built, it is read as written.
import { existsSync, readFileSync } from 'node:fs'

const BUILT = new URL('../openapi.json', import.meta.url)
const WRITTEN = new URL('../../openapi.yaml', import.meta.url)

const read = async (): Promise<unknown> =>
  existsSync(BUILT)
    ? JSON.parse(readFileSync(BUILT, 'utf8'))
    : (await import('./written-contract.ts')).readContract(WRITTEN)

export const CONTRACT = (await read()) as { [key: string]: unknown }
