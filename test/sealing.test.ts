// Sealed values: only the same key opens them, only in their place, and only as they were.
import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { KEY_BYTES, Seal, SealError } from '../src/sealing.ts'

const key = randomBytes(KEY_BYTES)
const seal = new Seal(key)
const CONTEXT = 'signing_key:abc'

const refuses = (t: Test, open: () => unknown, name: string, message = /./): void => {
  try {
    open()
    t.fail(`${name}: it opened`)
  } catch (error) {
    t.ok(error instanceof SealError && message.test(error.message), `${name}: ${error}`)
  }
}

t.test('what was sealed comes back, text or bytes, long or empty', async (t) => {
  for (const plain of [Buffer.from('secret'), Buffer.alloc(0), randomBytes(100_000), Buffer.from('😀')]) {
    t.ok(new Seal(Buffer.from(key)).open(seal.seal(plain, CONTEXT), CONTEXT).equals(plain), `${plain.length} bytes`)
  }
  t.equal(seal.open(seal.seal('text', CONTEXT), CONTEXT).toString(), 'text')
})

t.test('sealing the same twice shows no likeness, and nothing of what is inside', async (t) => {
  const [one, two] = [seal.seal('the same secret', CONTEXT), seal.seal('the same secret', CONTEXT)]
  t.notOk(one.equals(two))
  t.notOk(one.subarray(5, 17).equals(two.subarray(5, 17)), 'another nonce each time')
  t.notOk(one.includes('secret'))
  t.notOk(one.includes(key.subarray(0, 8)))
})

t.test('another key does not open it, and is told apart from tampering', async (t) => {
  const other = new Seal(randomBytes(KEY_BYTES))
  refuses(t, () => other.open(seal.seal('secret', CONTEXT), CONTEXT), 'another key', /another TENANTRY_ENCRYPTION_KEY/)
})

t.test('in another place it does not open', async (t) => {
  const sealed = seal.seal('secret', CONTEXT)
  for (const context of ['signing_key:abd', 'idempotency:abc', '', `${CONTEXT} `]) {
    refuses(t, () => seal.open(sealed, context), context)
  }
})

t.test('one flipped bit anywhere, a cut or an addition, and it does not open', async (t) => {
  const sealed = seal.seal('secret', CONTEXT)
  for (let at = 0; at < sealed.length; at++) {
    for (const bit of [0x01, 0x80]) {
      const changed = Buffer.from(sealed)
      changed[at] = (changed[at] ?? 0) ^ bit
      refuses(t, () => seal.open(changed, CONTEXT), `byte ${at}`)
    }
  }
  refuses(t, () => seal.open(Buffer.concat([sealed, Buffer.of(0)]), CONTEXT), 'one byte more')
  for (let length = 0; length < sealed.length; length++) {
    refuses(t, () => seal.open(sealed.subarray(0, length), CONTEXT), `cut to ${length}`)
  }
})

t.test('a key has 32 bytes', async (t) => {
  for (const length of [0, 16, 31, 33]) refuses(t, () => new Seal(Buffer.alloc(length)), String(length))
})
