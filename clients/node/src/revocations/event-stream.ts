// Server-sent events, as they arrive: https://html.spec.whatwg.org/multipage/server-sent-events.html, §9.2.5 and 9.2.6.
// Bytes in, events out; what an event means is not known here.

export type ServerEvent = {
  /** `message` where none was given. */
  readonly type: string
  readonly data: string
  /** The last `id` up to and including this event, empty before the first. */
  readonly id: string
}

const LINE_BREAK = /[\r\n]/g

/**
 * Reads one stream. Any split into chunks gives the same events; an event that is not finished when the stream ends is
 * dropped.
 *
 * @example
 * const parser = new EventStreamParser(1_048_576)
 * for await (const chunk of response.body) for (const event of parser.push(chunk)) take(event)
 */
export class EventStreamParser {
  readonly #max_length: number
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })
  /** The line that is arriving. Added to without being read, so that a long one costs its length and not its square. */
  #line = ''
  /** A line break of two characters may come in two chunks. */
  #endedWithReturn = false
  #type = ''
  #data: string[] = []
  #data_length = 0
  #id = ''
  #retry_ms: number | undefined

  constructor(max_length: number) {
    this.#max_length = max_length
  }

  /** How much of an unfinished event is there. */
  get pending(): number {
    return this.#line.length + this.#data_length
  }

  /** How long to wait before connecting again, as the stream last said. */
  get retry_ms(): number | undefined {
    return this.#retry_ms
  }

  /**
   * The events that this chunk finishes.
   *
   * @throws RangeError if an event is longer than allowed
   * @throws TypeError for anything but UTF-8
   */
  push(chunk: Uint8Array): ServerEvent[] {
    const events: ServerEvent[] = []
    for (const line of this.#linesOf(this.#decoder.decode(chunk, { stream: true }))) {
      const event = line === '' ? this.#dispatch() : this.#take(line)
      if (event !== undefined) events.push(event)
      this.#requireBounded()
    }
    this.#requireBounded()
    return events
  }

  *#linesOf(text: string): Generator<string> {
    let start = this.#endedWithReturn && text.startsWith('\n') ? 1 : 0
    if (text !== '') this.#endedWithReturn = text.endsWith('\r')
    for (let end = findBreak(text, start); end !== -1; end = findBreak(text, start)) {
      const line = this.#line + text.slice(start, end)
      this.#line = ''
      start = end + (text.startsWith('\r\n', end) ? 2 : 1)
      yield line
    }
    this.#line += text.slice(start)
  }

  #take(line: string): undefined {
    const colon = line.indexOf(':')
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'event') this.#type = value
    else if (field === 'data') {
      this.#data.push(value)
      this.#data_length += value.length + 1
    } else if (field === 'id' && !value.includes('\0')) this.#id = value
    else if (field === 'retry' && /^\d+$/.test(value)) this.#retry_ms = Number(value)
    // Anything else is a comment, whose field is empty, or unknown.
  }

  #dispatch(): ServerEvent | undefined {
    const event = { type: this.#type === '' ? 'message' : this.#type, data: this.#data.join('\n'), id: this.#id }
    const isEmpty = this.#data.length === 0
    this.#type = ''
    this.#data = []
    this.#data_length = 0
    return isEmpty ? undefined : event
  }

  #requireBounded(): void {
    if (this.pending > this.#max_length) throw new RangeError(`an event is longer than ${this.#max_length} characters`)
  }
}

function findBreak(text: string, start: number): number {
  LINE_BREAK.lastIndex = start
  return LINE_BREAK.exec(text)?.index ?? -1
}
