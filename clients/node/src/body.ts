// Reading the body of an answer that may be huge.

/**
 * The whole body as text. Counts what arrives instead of believing `content-length`; leaving the loop early cancels
 * the rest.
 */
export async function readText(response: Response, max_bytes: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body ?? []) {
    length += chunk.byteLength
    if (length > max_bytes) throw new Error(`it is longer than ${max_bytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
