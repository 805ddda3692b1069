// What an API key's secret looks like: `tnt_`, 43 characters of base 62 (256 random bits), and a CRC-32 of those as 6
// more. The prefix is for secret scanners, the checksum catches a typo without asking the database.
import { hash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

const PREFIX = 'tnt_'
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const RANDOM_LENGTH = 43
const CHECKSUM_LENGTH = 6
const SHAPE = new RegExp(`^${PREFIX}[0-9A-Za-z]{${RANDOM_LENGTH + CHECKSUM_LENGTH}}$`)

const base62 = (value: bigint, length: number): string => {
  let text = ''
  for (let rest = value; text.length < length; rest /= 62n) text = ALPHABET[Number(rest % 62n)] + text
  return text
}

const checksum = (random: string): string => base62(BigInt(crc32(random)), CHECKSUM_LENGTH)

export const makeSecret = (): string => {
  const random = base62(BigInt(`0x${randomBytes(32).toString('hex')}`), RANDOM_LENGTH)
  return `${PREFIX}${random}${checksum(random)}`
}

/** Whether the text could be a secret of ours: the right shape, and a checksum that fits. */
export const isSecret = (text: string): boolean =>
  SHAPE.test(text) && text.slice(-CHECKSUM_LENGTH) === checksum(text.slice(PREFIX.length, -CHECKSUM_LENGTH))

/** What is stored. The secret has 256 random bits, so a plain SHA-256 cannot be reversed by guessing. */
export const hashOf = (secret: string): Buffer => hash('sha256', secret, 'buffer')

/** What helps a person to recognise a key in a list. */
export const hintOf = (secret: string): string => secret.slice(-4)
