// Lines on their way out, gathered into pieces: a system call for each line takes longer than to make the line. pino's own
// destination gathers too, but measures all it has gathered at every line.
import type { DestinationStream } from 'pino'

const PIECE = 65_536 // characters
const LONGEST_MS = 50

/** Where pieces go. */
export interface Outlet {
  write(text: string): unknown
  flushSync(): void
}

export class LogPieces implements DestinationStream {
  readonly #outlet: Outlet
  #gathered = ''
  #timer: NodeJS.Timeout | undefined

  constructor(outlet: Outlet) {
    this.#outlet = outlet
  }

  write(line: string): void {
    this.#gathered += line
    if (this.#gathered.length >= PIECE) this.#pass()
    else this.#timer ??= setTimeout(() => this.#pass(), LONGEST_MS).unref()
  }

  /** Everything, now: pino does so when it logs what is fatal, and we at the end of the process. */
  flushSync(): void {
    this.#pass()
    this.#outlet.flushSync()
  }

  #pass(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#gathered === '') return
    this.#outlet.write(this.#gathered)
    this.#gathered = ''
  }
}
