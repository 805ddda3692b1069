// The hashes of credentials that are presented again and again: a client sends the same one with every request. Only what
// follows from the text itself is remembered, nothing of what it is good for, so nothing here can be out of date.
import { LRUCache } from 'lru-cache'
import { hashOf } from './secrets.ts'

const MOST_CHARACTERS = 4_000_000 // 4,000 tokens, or 75,000 keys

/** @param most_characters of all credentials that are remembered; the least recently presented go first */
export const rememberHashes = (most_characters: number) => {
  const hashes = new LRUCache<string, Buffer>({
    maxSize: most_characters,
    sizeCalculation: (_hash, credential) => credential.length,
  })
  return (credential: string): Buffer => {
    const known = hashes.get(credential)
    if (known !== undefined) return known
    const hash = hashOf(credential)
    hashes.set(credential, hash)
    return hash
  }
}

/** The SHA-256 of a credential that came with a request. */
export const hashOfPresented = rememberHashes(MOST_CHARACTERS)
