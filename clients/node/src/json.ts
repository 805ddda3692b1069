// JSON from strangers: one object, in UTF-8, no member twice. RFC 7519 §4 and RFC 8259 §4: readers differ on which
// of two equal names counts, so a token with both would mean one thing to the signer and another to us.

import { isUtf8 } from 'node:buffer'

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The object that the bytes spell, or undefined if they spell anything else. */
export function parseObject(bytes: Buffer): Record<string, unknown> | undefined {
  if (!isUtf8(bytes)) return undefined
  const text = bytes.toString('utf8')
  const value = parse(text)
  return isObject(value) && countMembers(value) === countWrittenMembers(text) ? value : undefined
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * How many members the text of a valid JSON value writes: each has one colon outside of strings. `JSON.parse` keeps
 * the last of two equal names, however they are escaped, so it keeps as many members as are written only if none is
 * doubled.
 */
function countWrittenMembers(text: string): number {
  let members = 0
  for (let i = 0; i < text.length; i++) {
    const character = text.charCodeAt(i)
    if (character === QUOTE) i = endOfString(text, i)
    else if (character === COLON) members++
  }
  return members
}

const QUOTE = 0x22
const COLON = 0x3a
const BACKSLASH = 0x5c

function endOfString(text: string, start: number): number {
  let i = start + 1
  for (let character = text.charCodeAt(i); character !== QUOTE; character = text.charCodeAt(i)) {
    i += character === BACKSLASH ? 2 : 1
  }
  return i
}

/** With a list of its own instead of recursion, so that deep nesting cannot exhaust the stack. */
function countMembers(root: object): number {
  let members = 0
  const pending: object[] = [root]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const values: unknown[] = Object.values(next)
    if (!Array.isArray(next)) members += values.length
    for (const value of values) if (typeof value === 'object' && value !== null) pending.push(value)
  }
  return members
}
