// @ts-check
// Tells the story: makes each real request, prints it with its answer, and objects when the answer is not the one the
// story promises. Never prints a whole secret.

import { STATUS_CODES } from 'node:http'
import { isDeepStrictEqual } from 'node:util'

/**
 * @typedef {{ words: string, secret: string | undefined }} Credential what to call it, and what to send
 * @typedef {{ status: number, body: any, headers: Headers }} Answer
 * @typedef {{
 *   ask: string, by: Credential, body?: object, headers?: Record<string, string>,
 *   expect: number, answers?: object, show?: string[], each?: (item: any) => string, decode?: boolean,
 * }} Step `ask`: method and address; `answers`: what the body must hold; `show`: the fields worth printing; `each`: a line
 *   for each item of a list; `decode`: whether to show what the token says
 */

const RED = 31
const GREEN = 32

/** The answer is not what the story says. */
export class PlotHole extends Error {}

/** @param {{ write: (text: string) => void, color: boolean }} output */
export function narrator({ write, color }) {
  /** @type {(code: number, text: string) => string} */
  const paint = (code, text) => (color ? `\u001b[${code}m${text}\u001b[0m` : text)
  const bold = (/** @type {string} */ text) => paint(1, text)
  const dim = (/** @type {string} */ text) => paint(2, text)
  /** @param {string} text */
  const line = (text) => write(`${text}\n`)
  let steps = 0

  /** @param {string} title */
  const chapter = (title) => line(`\n${bold(`━━ ${title} ${'━'.repeat(Math.max(0, 100 - title.length))}`)}`)

  /** @param {string} text */
  const aside = (text) => line(`\n   ${dim(text)}`)

  /**
   * @param {string} says what happens here, in one line
   * @param {Step} request
   * @returns {Promise<Answer>}
   */
  const step = async (says, request) => {
    line(`\n${bold(`${++steps}. ${says}`)}`)
    printRequest(request)
    const answer = await send(request)
    printAnswer(request, answer)
    const objection = objectionTo(request, answer)
    if (objection !== undefined) {
      line(`     ${paint(RED, objection)}\n     ${JSON.stringify(hideSecrets(answer.body))}`)
      throw new PlotHole(`step ${steps} (${says}) ${objection}`)
    }
    return answer
  }

  /** @param {Step} request */
  const printRequest = ({ ask, by, body, headers = {} }) => {
    line(`   → ${ask}   ${dim(`with ${by.words}`)}`)
    for (const [name, value] of Object.entries(headers)) line(`     ${name}: ${value}`)
    if (body !== undefined) line(`     ${JSON.stringify(body)}`)
  }

  /** @type {(request: Step, answer: Answer) => void} */
  const printAnswer = ({ show, each, decode = false }, { status, body }) => {
    line(`   ← ${paint(status < 400 ? GREEN : RED, `${status} ${STATUS_CODES[status]}`)}`)
    if (each !== undefined && Array.isArray(body?.data)) for (const item of body.data) line(`     ${each(item)}`)
    else if (body !== undefined) line(`     ${JSON.stringify(hideSecrets(trim(body, show)))}`)
    if (decode) {
      line(`     ${dim('which says, once decoded:')}`)
      for (const [claim, value] of Object.entries(claimsOf(body.access_token)))
        line(`       ${claim.padEnd(13)} ${JSON.stringify(value)}`)
    }
  }

  return { chapter, aside, step, line, count: () => steps }
}

/** @param {Step} request @returns {Promise<Answer>} */
async function send({ ask, by, body, headers = {} }) {
  const [method = '', url = ''] = ask.split(' ')
  const answer = await fetch(url, {
    method,
    headers: {
      ...(by.secret === undefined ? {} : { authorization: `Bearer ${by.secret}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, body: text === '' ? undefined : JSON.parse(text), headers: answer.headers }
}

/** @param {Step} request @param {Answer} answer */
function objectionTo({ expect, answers = {} }, { status, body }) {
  if (status !== expect) return `should have been answered with ${expect}, not ${status}`
  return holds(body, answers) ? undefined : `should have answered ${JSON.stringify(answers)}`
}

/**
 * Whether `body` has all of `wanted` in it.
 *
 * @type {(body: any, wanted: any) => boolean}
 */
function holds(body, wanted) {
  if (typeof wanted !== 'object' || wanted === null || Array.isArray(wanted)) return isDeepStrictEqual(body, wanted)
  return Object.entries(wanted).every(([key, value]) => holds(body?.[key], value))
}

/**
 * A problem's sentence matters and its address does not; of anything else what the step wants to show.
 *
 * @type {(body: any, show?: string[]) => object}
 */
function trim(body, show = body.code === undefined ? Object.keys(body) : ['code', 'detail']) {
  const kept = show.map((field) => [field, body[field]])
  return Object.fromEntries(kept.filter(([, value]) => value !== undefined))
}

/** @param {any} body */
function hideSecrets(body) {
  return JSON.parse(JSON.stringify(body ?? null), (key, value) =>
    key === 'access_token' || key === 'secret' ? `${value.slice(0, 8)}…` : value,
  )
}

/** @param {string} token @returns {Record<string, unknown>} */
function claimsOf(token) {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
}
