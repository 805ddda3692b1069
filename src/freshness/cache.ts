// Facts in memory: as many as there is room for, each resting on names. Whatever happens to a name puts an end to all that
// rests on it, at once and however many those are; they are thrown away when they are next asked for.
//
// A reading that is under way when names are evicted may have seen the state before: what it found is answered, to those who
// asked before, and not kept if it rests on one of them.
import { LRUCache } from 'lru-cache'
import type { Soon } from '../soon.ts'
import { EVERYTHING } from './evictions.ts'

interface Name {
  text: string
  is_live: boolean
  uses: number
}

interface Entry {
  value: object
  names: Name[]
}

interface Reading {
  found: Promise<object | null>
  began_at: number
  /** How many names had been evicted when it began. */
  evicted: number
}

/** What may be kept, and what it rests on. */
export interface Kept<V extends object> {
  read(): Promise<V | null>
  /** Whether what was found is worth keeping; it is, if nothing is said. */
  isKept?(value: V): boolean
  namesOf(value: V): string[]
  /** What it takes, about; as JSON it is nearly as long. */
  bytesOf?(value: V): number
  /** Whether what is kept will do: else it is read again. */
  suffices?(value: V): boolean
}

interface Options {
  most: number
  most_bytes: number
  /** Milliseconds from any beginning. */
  elapsed: () => number
  /** Whether all is known that happened until lately; else nothing here can be relied on. */
  isCurrent: () => boolean
  /** How old a reading may be that somebody who comes later waits for, in milliseconds. */
  longest_ms: number
}

/** Measured: an entry, its names and what keeps them in order (bench/remembered.mjs). */
const BYTES_OF_ANY = 950
const MOST_REMEMBERED = 10_000 // evictions during readings; after that, no reading under way is kept

export class Cache {
  readonly counts = { hits: 0, misses: 0, bypassed: 0, evicted: 0 }
  readonly #entries: LRUCache<string, Entry>
  readonly #names = new Map<string, Name>()
  readonly #readings = new Map<string, Reading>()
  readonly #options: Options
  /** Names evicted while something was being read, the oldest first, and how many there had been before. */
  #evicted: string[] = []
  #forgotten = 0

  constructor(options: Options) {
    this.#options = options
    this.#entries = new LRUCache({
      max: options.most,
      maxSize: options.most_bytes,
      dispose: (entry) => this.#release(entry),
    })
  }

  get size(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#entries.calculatedSize
  }

  /** From memory if it is there and can be relied on; else read. Nothing is kept of what was not found. */
  get<V extends object>(key: string, kept: Kept<V>): Soon<V | null> {
    if (!this.#options.isCurrent()) {
      this.counts.bypassed++
      return kept.read()
    }
    const value = this.#live(key) as V | undefined // a key begins with the kind of what is under it
    if (value !== undefined && (kept.suffices?.(value) ?? true)) {
      this.counts.hits++
      return value
    }
    this.counts.misses++
    return value === undefined ? this.#join(key, kept) : this.#read(key, kept)
  }

  /** What is in memory and can be relied on; nothing is read where it is not. */
  peek<V extends object>(key: string): V | undefined {
    if (!this.#options.isCurrent()) return undefined
    const value = this.#live(key) as V | undefined // a key begins with the kind of what is under it
    if (value !== undefined) this.counts.hits++
    return value
  }

  evict(names: readonly string[]): void {
    for (const name of names) this.#evict(name)
    if (this.#evicted.length <= MOST_REMEMBERED) return
    this.#readings.clear()
    this.#forgetEvicted()
  }

  /** Whatever is here or under way. */
  evictAll(): void {
    this.#evict(EVERYTHING)
  }

  #evict(name: string): void {
    if (this.#readings.size > 0) this.#evicted.push(name)
    const known = this.#names.get(name)
    if (known === undefined) return
    known.is_live = false
    this.#names.delete(name)
    this.counts.evicted++
  }

  #live(key: string): object | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    for (const { is_live } of entry.names) {
      if (is_live) continue
      this.#entries.delete(key)
      return undefined
    }
    return entry.value
  }

  /** Waits for a reading that is under way, if nothing happened since it began and that was not long ago. */
  #join<V extends object>(key: string, kept: Kept<V>): Promise<V | null> {
    const { elapsed, longest_ms } = this.#options
    const reading = this.#readings.get(key)
    if (reading?.evicted === this.#seen && elapsed() - reading.began_at < longest_ms)
      return reading.found as Promise<V | null>
    return this.#read(key, kept)
  }

  #read<V extends object>(key: string, kept: Kept<V>): Promise<V | null> {
    const began_at = this.#options.elapsed()
    const reading: Reading = { found: kept.read(), began_at, evicted: this.#seen }
    this.#readings.set(key, reading)
    reading.found = reading.found
      .then((value) => {
        if (value !== null && (kept.isKept?.(value as V) ?? true)) this.#keep(key, reading, value as V, kept)
        return value
      })
      .finally(() => this.#end(key, reading))
    return reading.found as Promise<V | null>
  }

  #keep<V extends object>(key: string, reading: Reading, value: V, { namesOf, bytesOf = bytesAsJson }: Kept<V>): void {
    if (this.#readings.get(key) !== reading) return
    const rests_on = [EVERYTHING, ...namesOf(value)]
    const evicted = this.#evicted.slice(reading.evicted - this.#forgotten)
    if (evicted.some((name) => rests_on.includes(name))) return
    const size = BYTES_OF_ANY + bytesOf(value)
    if (size > this.#options.most_bytes) return
    this.#entries.set(key, { value, names: rests_on.map((name) => this.#use(name)) }, { size })
  }

  #end(key: string, reading: Reading): void {
    if (this.#readings.get(key) === reading) this.#readings.delete(key)
    if (this.#readings.size === 0) this.#forgetEvicted()
  }

  get #seen(): number {
    return this.#forgotten + this.#evicted.length
  }

  #forgetEvicted(): void {
    this.#forgotten = this.#seen
    this.#evicted = []
  }

  #use(name: string): Name {
    const known = this.#names.get(name) ?? { text: name, is_live: true, uses: 0 }
    known.uses++
    this.#names.set(name, known)
    return known
  }

  #release({ names }: Entry): void {
    for (const name of names) {
      name.uses--
      if (name.uses === 0 && name.is_live) this.#names.delete(name.text)
    }
  }
}

const bytesAsJson = (value: object): number => JSON.stringify(value).length
