// Lets Node.js load our TypeScript as it stands, for tests: `--import ./test/support/typescript.mjs`. Every type in it can
// be erased (`erasableSyntaxOnly`), so one file needs no other to be compiled; whether the types are right is asked by
// `npm run typecheck`. Compiled once and kept by content: loading the compiler costs more than most tests.
import { register } from 'node:module'

register(new URL('typescript-hooks.mjs', import.meta.url))
