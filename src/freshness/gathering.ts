// Many questions to the database as one statement. Those that come in the same turn of the event loop go together, and those that
// come while a statement is under way wait for it to come back, which makes the next one larger the busier it is. A single one
// waits for nothing, and none for long. A statement begins after each of its questions was asked.
import { Problem } from '../errors.ts'

interface Waiting<Q, A> {
  question: Q
  resolve(answer: A): void
  reject(error: unknown): void
}

interface Limits {
  /** Questions in one statement. */
  most: number
  /** Statements under way at a time, as long as they come back in time. */
  at_a_time: number
  /** How long one waits for a statement that is under way, in milliseconds: it may never come back. */
  patience_ms: number
}

/**
 * One: with two or three, statements are smaller, and a question took an eighth more of all processors. Where one takes long
 * because it is large or the database slow, patience begins more.
 */
const LIMITS: Limits = { most: 100, at_a_time: 1, patience_ms: 20 }

export class Gathering<Q, A> {
  readonly #read: (questions: Q[]) => Promise<A[]>
  readonly #limits: Limits
  #waiting: Waiting<Q, A>[] = []
  #under_way = 0
  #turn: NodeJS.Immediate | undefined
  #patience: NodeJS.Timeout | undefined

  /** @param read answers in the order of the questions */
  constructor(read: (questions: Q[]) => Promise<A[]>, limits: Partial<Limits> = {}) {
    this.#read = read
    this.#limits = { ...LIMITS, ...limits }
  }

  ask(question: Q): Promise<A> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ question, resolve, reject })
      if (this.#under_way < this.#limits.at_a_time) this.#turn ??= setImmediate(() => this.#send())
      else this.#patience ??= setTimeout(() => this.#send(), this.#limits.patience_ms)
    })
  }

  #send(): void {
    clearImmediate(this.#turn)
    clearTimeout(this.#patience)
    this.#turn = undefined
    this.#patience = undefined
    for (let some = this.#take(); some.length > 0; some = this.#take()) void this.#answer(some)
  }

  #take(): Waiting<Q, A>[] {
    return this.#waiting.splice(0, this.#limits.most)
  }

  async #answer(some: Waiting<Q, A>[]): Promise<void> {
    this.#under_way++
    try {
      const answers = await this.#read(some.map(({ question }) => question))
      for (const [place, { resolve }] of some.entries()) resolve(answers[place] as A) // one for each question
    } catch (error) {
      if (some.length === 1 || error instanceof Problem) for (const { reject } of some) reject(error)
      else for (const one of some) void this.#answer([one]) // what is wrong with one is not the others'
    } finally {
      this.#under_way--
      if (this.#waiting.length > 0) this.#send()
    }
  }
}
