// Which paths there are, for what the chart asks and shows.
import { readContract } from '../../src/http/written-contract.ts'

export const contractPaths = (): string[] => {
  const { paths } = readContract(new URL('../../openapi.yaml', import.meta.url)) as { paths: object } // as any contract
  return Object.keys(paths)
}
