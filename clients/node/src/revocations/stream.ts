// The stream of revocations: what happens, as it happens.
//
//   connect ──▶ snapshot, or what came since Last-Event-ID ──▶ revocations and signs of life ──▶ cut, silent or ended
//      ▲                                                                                               │
//      └──────── a pause, longer each time that nothing came of it, and never the same for all ────────┘

import { parseObject } from '../json.ts'
import { bearerOf } from './credential.ts'
import { type RevocationBatch, readBatch } from './entries.ts'
import { EventStreamParser, type ServerEvent } from './event-stream.ts'
import { asFault, FeedFault, FeedNonsense, refusedWith } from './faults.ts'
import type { Knowledge } from './knowledge.ts'
import type { RevocationSettings } from './options.ts'
import { REFUSED_PAUSE_MS } from './snapshot.ts'
import { Deadline, jittered, pause } from './timer.ts'

/** Three signs of life that did not come. */
const SILENCE_MS = 15_000

/** A snapshot of as many entries as are kept, with room to spare. */
const MAX_EVENT_LENGTH = 64 * 1024 * 1024

/** What the stream asks for with `retry`, within reason. */
const RETRY_MS = { min: 100, max: 60_000, default: 1_000 }

/** How rare attempts get while the stream cannot be had. */
const MAX_PAUSE_MS = 30_000

/** What the contract lets a `Last-Event-ID` be, of what a header can carry. */
const RESUMABLE = /^[\x20-\x7e]{1,8000}$/

const KINDS: ReadonlySet<string> = new Set(['snapshot', 'revocations', 'alive'])

export class RevocationStream {
  readonly #settings: RevocationSettings
  readonly #knowledge: Knowledge
  readonly #closing: AbortSignal
  readonly #onFault: (fault: FeedFault) => void
  #last_event_id: string | undefined
  #retry_ms = RETRY_MS.default
  /** Connections in a row that brought no event. */
  #failures = 0

  constructor(
    settings: RevocationSettings,
    knowledge: Knowledge,
    closing: AbortSignal,
    onFault: (fault: FeedFault) => void,
  ) {
    this.#settings = settings
    this.#knowledge = knowledge
    this.#closing = closing
    this.#onFault = onFault
  }

  /** Until everything closes. */
  async run(): Promise<void> {
    while (!this.#closing.aborted) {
      const pause_ms = await this.#attempt()
      await pause(pause_ms, this.#settings.timer, this.#closing)
    }
  }

  /** Follows the stream for as long as it lasts. Answers how long to pause after it. */
  async #attempt(): Promise<number> {
    const deadline = new Deadline(SILENCE_MS, this.#settings.timer, this.#closing)
    try {
      this.#failures++
      await this.#follow(deadline)
      return jittered(this.#backoff_ms())
    } catch (error) {
      if (this.#closing.aborted) return 0
      const fault = this.#faultOf(error, deadline)
      this.#onFault(fault)
      return jittered(fault.isRefusal ? REFUSED_PAUSE_MS : this.#backoff_ms())
    } finally {
      deadline.end()
    }
  }

  async #follow(deadline: Deadline): Promise<void> {
    const { connect, stream_url, api_key } = this.#settings
    const resumes = this.#last_event_id === undefined ? {} : { 'last-event-id': this.#last_event_id }
    const headers = {
      ...(await bearerOf(api_key)),
      ...resumes,
      accept: 'text/event-stream',
      'accept-encoding': 'identity',
    }
    const { status, content_type, body } = await connect(stream_url, headers, deadline.signal)
    if (status !== 200) throw refusedWith(status, stream_url)
    if (!/^text\/event-stream *(?:;|$)/i.test(content_type)) throw this.#nonsense('it is no event stream')
    const parser = new EventStreamParser(MAX_EVENT_LENGTH)
    let isCaughtUp = this.#last_event_id !== undefined
    for await (const chunk of body) {
      const pending = parser.pending
      const events = parser.push(chunk).filter(({ type }) => KINDS.has(type))
      for (const event of events) {
        isCaughtUp ||= event.type === 'snapshot'
        if (!isCaughtUp) throw this.#nonsense('it does not begin with a snapshot')
        this.#take(event)
      }
      this.#retry_ms = Math.min(Math.max(parser.retry_ms ?? RETRY_MS.default, RETRY_MS.min), RETRY_MS.max)
      // A long snapshot that is still arriving is a sign of life as well; comments, which a proxy may send, are none.
      if (events.length > 0 || parser.pending > pending) deadline.extend()
    }
  }

  #take({ type, data, id }: ServerEvent): void {
    const batch = readData(data)
    if (batch === undefined) throw this.#nonsense(`its "${type}" is malformed`)
    this.#knowledge.hear(batch, this.#knowledge.freshness.now())
    this.#last_event_id = RESUMABLE.test(id) ? id : undefined
    this.#failures = 0
  }

  /** A stream that makes no sense, or does not like where we want to resume, is started over. */
  #faultOf(error: unknown, deadline: Deadline): FeedFault {
    const { stream_url } = this.#settings
    const fault = deadline.isOver
      ? new FeedFault(`The revocation feed at ${stream_url} has been silent for ${SILENCE_MS / 1_000} s.`)
      : asFault(error, stream_url)
    if (fault instanceof FeedNonsense || fault.http_status === 400) this.#last_event_id = undefined
    return fault
  }

  #backoff_ms(): number {
    return Math.min(this.#retry_ms * 2 ** this.#failures, Math.max(MAX_PAUSE_MS, this.#retry_ms))
  }

  #nonsense(what: string): FeedNonsense {
    return new FeedNonsense(`The stream at ${this.#settings.stream_url} cannot be followed: ${what}.`)
  }
}

function readData(data: string): RevocationBatch | undefined {
  const object = parseObject(Buffer.from(data))
  return object && readBatch(object)
}
