// Measurements on their way to the library that keeps them. It finds the series of each by its labels, and one measurement
// between two requests takes it several times as long as one among many: so they are gathered, and handed over many at a time.

const MOST = 256

export class Gathered<Labels> {
  readonly #pass: (labels: Labels, value: number) => void
  #labels: Labels[] = []
  #values: number[] = []

  constructor(pass: (labels: Labels, value: number) => void) {
    this.#pass = pass
  }

  add(labels: Labels, value: number): void {
    this.#labels.push(labels)
    this.#values.push(value)
    if (this.#values.length === MOST) this.handOver()
  }

  /** Everything, now: before anybody looks. */
  handOver(): void {
    const [labels, values] = [this.#labels, this.#values]
    this.#labels = []
    this.#values = []
    for (const [index, each] of labels.entries()) this.#pass(each, values[index] ?? 0)
  }
}
