// The hashes of credentials that are presented again and again: a client sends the same one with every request. Only what
// follows from the text itself is remembered, nothing of what it is good for, so nothing here can be out of date.
import { LRUCache } from 'lru-cache'
import { hashOf } from './secrets.ts'

const MOST_CHARACTERS = 4_000_000 // 4,000 tokens, or 75,000 keys

/** A credential by its SHA-256. */
export interface Presented {
  hash: Buffer
  /** What is known of it is kept under this; made once, because a text that was looked up before is found faster. */
  name: string
}

/** @param most_characters of all credentials that are remembered; the least recently presented go first */
export const rememberPresented = (most_characters: number) => {
  const remembered = new LRUCache<string, Presented>({
    maxSize: most_characters,
    sizeCalculation: (_, credential) => credential.length,
  })
  return (credential: string): Presented => {
    const known = remembered.get(credential)
    if (known !== undefined) return known
    const hash = hashOf(credential)
    const presented = { hash, name: `credential:${hash.toString('latin1')}` }
    remembered.set(credential, presented)
    return presented
  }
}

/** Of a credential that came with a request. */
export const presentedBy = rememberPresented(MOST_CHARACTERS)
