import { runBundle } from './bundles.ts'

runBundle(0)
