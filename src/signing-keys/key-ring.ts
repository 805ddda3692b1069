// The signing keys in memory. Each reading is of one platform revision; whoever has seen a higher one has it read again,
// so that after an emergency rotation no replica goes on with a key that another has thrown away.
import { createPrivateKey } from 'node:crypto'
import type { SlimClaims, TokenClaims } from '@tenantry/client'
import { type Clock, isWithin } from '../clock.ts'
import type { Database } from '../database/scope.ts'
import { Problem } from '../errors.ts'
import type { Snapshot } from '../revocations/handlers.ts'
import type { RoleCatalogue } from '../roles/catalogue.ts'
import type { Seal } from '../sealing.ts'
import type { PublicJwk } from './generation.ts'
import { readSigningKeys, type SigningKeyRow } from './queries.ts'
import { sealingContext } from './rotation.ts'
import { makeSigner, type Sign } from './signer.ts'

const FRESH_MS = 30_000
const KEPT_MS = 3_600_000 // what verifiers keep a key set for, when it cannot be had
const ANSWERS_WITHIN_MS = 500 // a database that is cut off is noticed after seconds only: others' probes give up before
const COOL_DOWN_MS = 5_000 // tokens with made-up kids must not cost a reading each

export interface Signers {
  kid: string
  access_token: Sign<TokenClaims | SlimClaims>
  revocations: Sign<Snapshot>
  roles: Sign<RoleCatalogue>
}

interface Loaded {
  revision: number
  at: number
  public_keys: Map<string, PublicJwk>
  signers: Signers
}

export class KeyRing {
  readonly #database: Database
  readonly #seal: Seal
  readonly #clock: Clock
  #loaded: Loaded | undefined
  #loading: Promise<Loaded> | undefined
  #newest_revision = 0
  /** How often everything was forgotten: what was being read before is not kept. */
  #forgotten = 0

  constructor(database: Database, seal: Seal, clock: Clock) {
    this.#database = database
    this.#seal = seal
    this.#clock = clock
  }

  /** Tells of the platform's revision: what was read below it is read again before it is given out. */
  hear(revision: number): void {
    this.#newest_revision = Math.max(this.#newest_revision, revision)
  }

  /** In another epoch lower revisions are newer, and the keys are others. */
  forget(): void {
    this.#forgotten++
    this.#loaded = undefined
    this.#newest_revision = 0
  }

  /** What is published: the keys that sign, will sign, and did sign what may still be valid. */
  async publicKeys(): Promise<PublicJwk[]> {
    const { public_keys } = await this.#inTime(this.#atMost(FRESH_MS)).catch((fault: unknown) => this.#orLast(fault))
    return [...public_keys.values()]
  }

  /** Rejects when it takes long and there is something to fall back on. */
  async #inTime(loading: Promise<Loaded>): Promise<Loaded> {
    if (this.#loaded === undefined) return loading
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(reject, ANSWERS_WITHIN_MS, new Problem('database.unavailable'))
    })
    try {
      return await Promise.race([loading, late])
    } finally {
      clearTimeout(timer)
    }
  }

  /** While the database is away, verifiers go on with what they could have kept themselves. */
  #orLast(fault: unknown): Loaded {
    const loaded = this.#loaded
    if (loaded !== undefined && this.#clock().getTime() - loaded.at < KEPT_MS) return loaded
    throw fault
  }

  /** The key with this id. A kid that is not known may be new; one reading in five seconds finds out. */
  async find(kid: string): Promise<PublicJwk | undefined> {
    const { public_keys } = await this.#atMost(Number.POSITIVE_INFINITY)
    return public_keys.get(kid) ?? (await this.#atMost(COOL_DOWN_MS)).public_keys.get(kid)
  }

  /** The same, as of this platform revision or a later one. */
  async findAt(kid: string, revision: number): Promise<PublicJwk | undefined> {
    return (await this.#since(revision)).public_keys.get(kid)
  }

  /** What signs at this platform revision. */
  async signersAt(revision: number): Promise<Signers> {
    return (await this.#since(revision)).signers
  }

  async #since(revision: number): Promise<Loaded> {
    const loaded = this.#loaded
    return loaded !== undefined && loaded.revision >= revision ? loaded : this.#load()
  }

  async #atMost(age_ms: number): Promise<Loaded> {
    const loaded = await this.#since(this.#newest_revision)
    return isWithin(age_ms, loaded.at, this.#clock().getTime()) ? loaded : this.#load()
  }

  /** One reading serves all who wait, but only those who came before it began. */
  async #load(): Promise<Loaded> {
    await this.#loading?.catch(() => {})
    this.#loading ??= this.#read().finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  async #read(): Promise<Loaded> {
    const at = this.#clock().getTime()
    const forgotten = this.#forgotten
    const { revision, rows } = await this.#database.asPlatform('read the signing keys', readSigningKeys)
    if (forgotten !== this.#forgotten) return this.#read()
    if (this.#loaded !== undefined && this.#loaded.revision > revision) return this.#loaded
    const active = rows.find(({ status }) => status === 'active')
    if (!active) throw new Error('there is no active signing key; the service makes one at start')
    const signers = this.#loaded?.signers.kid === active.kid ? this.#loaded.signers : await this.#signersOf(active)
    const public_keys = new Map(rows.map(({ kid, public_jwk }) => [kid, public_jwk as PublicJwk])) // as it was generated
    this.#loaded = { revision, at, public_keys, signers }
    return this.#loaded
  }

  async #signersOf({ kid, algorithm, sealed_private_key }: SigningKeyRow): Promise<Signers> {
    const der = this.#seal.open(sealed_private_key, sealingContext(kid))
    const key = { kid, algorithm, private_key: createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }) }
    return {
      kid,
      access_token: await makeSigner('at+jwt', key),
      revocations: await makeSigner('tenantry-revocations+jwt', key),
      roles: await makeSigner('tenantry-roles+jwt', key),
    }
  }
}
