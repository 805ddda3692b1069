// openapi.yaml as it is written. What is served reads it as it was built (shipped-contract.ts).
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

export const readContract = (file: URL | string): unknown => parse(readFileSync(file, 'utf8'))
