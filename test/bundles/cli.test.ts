import { runFolder } from './bundles.ts'

runFolder('test/cli')
