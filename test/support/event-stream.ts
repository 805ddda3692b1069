// Reads server-sent events as a client does, one after the other.

// biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever came
type Json = any

export interface ServerEvent {
  event: string
  id: string
  data: Json
}

export interface EventStream {
  /** The next event; rejects when the stream has ended. */
  next(): Promise<ServerEvent>
  close(): void
}

const parse = (block: string): ServerEvent | undefined => {
  const fields = Object.fromEntries(
    block.split('\n').map((line) => [line.split(':', 1)[0], line.slice(line.indexOf(':') + 2)]),
  )
  if (fields.data === undefined) return undefined
  return { event: String(fields.event), id: String(fields.id), data: JSON.parse(fields.data) }
}

export const openStream = async (
  url: string,
  { key, last_event_id }: { key: string; last_event_id?: string },
): Promise<EventStream> => {
  const controller = new AbortController()
  const answer = await fetch(url, {
    headers: {
      authorization: `Bearer ${key}`,
      ...(last_event_id === undefined ? {} : { 'last-event-id': last_event_id }),
    },
    signal: controller.signal,
  })
  if (answer.status !== 200 || !answer.body)
    throw new Error(`the stream was refused: ${answer.status} ${await answer.text()}`)
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const next = async (): Promise<ServerEvent> => {
    for (;;) {
      const end = text.indexOf('\n\n')
      if (end >= 0) {
        const event = parse(text.slice(0, end))
        text = text.slice(end + 2)
        if (event) return event
        continue
      }
      const { done, value } = await reader.read()
      if (done) throw new Error('the stream has ended')
      text += value
    }
  }
  return { next, close: () => controller.abort() }
}
