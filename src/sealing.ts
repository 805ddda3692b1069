// Seals what must not lie in the database in the clear: private signing keys, and answers that hold a secret.
// AES-256-GCM; a sealed value is: version (1 byte), id of the key (4), nonce (12), tag (16), ciphertext. The context is
// authenticated, so that a sealed value cannot be moved to another row.
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'

const VERSION = 1
const ID_BYTES = 4
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEADER_BYTES = 1 + ID_BYTES
export const KEY_BYTES = 32

export class SealError extends Error {}

const idOf = (key: Buffer): Buffer =>
  createHash('sha256').update('tenantry sealing key id').update(key).digest().subarray(0, ID_BYTES)

export class Seal {
  readonly #current: { id: Buffer; key: Buffer }
  readonly #keys: { id: Buffer; key: Buffer }[]

  /**
   * @param key 32 random bytes; it seals and opens
   * @param previous keys that still open what they sealed
   */
  constructor(key: Buffer, ...previous: Buffer[]) {
    this.#keys = [key, ...previous].map((each) => {
      if (each.length !== KEY_BYTES) throw new SealError(`a sealing key has ${KEY_BYTES} bytes`)
      return { id: idOf(each), key: each }
    })
    this.#current = { id: idOf(key), key }
  }

  seal(plain: Buffer | string, context: string): Buffer {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#current.key, nonce).setAAD(Buffer.from(context))
    const sealed = Buffer.concat([cipher.update(plain), cipher.final()])
    return Buffer.concat([Buffer.of(VERSION), this.#current.id, nonce, cipher.getAuthTag(), sealed])
  }

  /** Whether the present key sealed it, and not a previous one. */
  isCurrent(sealed: Buffer): boolean {
    return sealed.subarray(1, HEADER_BYTES).equals(this.#current.id)
  }

  /** @throws SealError when it was sealed with another key, for another context, or was changed */
  open(sealed: Buffer, context: string): Buffer {
    const id = sealed.subarray(1, HEADER_BYTES)
    const key = this.#keys.find((known) => known.id.equals(id))?.key
    if (sealed[0] !== VERSION || key === undefined) throw new SealError('sealed with another TENANTRY_ENCRYPTION_KEY')
    const nonce = sealed.subarray(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES)
    const tag = sealed.subarray(HEADER_BYTES + NONCE_BYTES, HEADER_BYTES + NONCE_BYTES + TAG_BYTES)
    try {
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
      decipher.setAAD(Buffer.from(context)).setAuthTag(tag)
      const body = sealed.subarray(HEADER_BYTES + NONCE_BYTES + TAG_BYTES)
      return Buffer.concat([decipher.update(body), decipher.final()])
    } catch (error) {
      throw new SealError('the sealed value was changed, or belongs elsewhere', { cause: error })
    }
  }
}
