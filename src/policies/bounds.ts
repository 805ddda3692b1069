// How deep the engine would have to go for a policy's text. Its stack is what it is, and it does not survive the end of it:
// so the depth is reckoned beforehand, on the high side, from the words alone. Pure.

/** Strings and comments are passed over; names and numbers add nothing. */
const WORDS = /"(?:[^"\\]|\\.)*"|\/\/[^\n]*|::|&&|\|\||[=!<>]=|[()[\]{}]|[.+*<>!,;-]|\b(?:if|in|is|has|like)\b/gs

/** What stands between two brackets: operands that `&&` and `||` chain, in parts that commas and semicolons divide. */
interface Level {
  /** Of the operand that is being read. */
  operand: number
  /** Of the operands before it. */
  deepest: number
  /** Each link of a chain puts those before it one deeper. */
  links: number
  /** Of the parts before. */
  part: number
}

/** What stands in brackets, and what an `if` begins, goes through every rule of the grammar once more. */
const NESTED = 4

/**
 * Measured: with half of the stack that Node.js has, nothing up to 77 ends it, whatever it is made of. Chains and brackets of
 * policies as people write them come to 20 or 40.
 */
const DEEPEST = 70

const anew = (): Level => ({ operand: 0, deepest: 0, links: 0, part: 0 })
const totalOf = ({ operand, deepest, links, part }: Level): number => Math.max(part, links + Math.max(operand, deepest))

export const depthOf = (text: string): number => {
  const outer: Level[] = []
  let level = anew()
  for (const [word] of text.matchAll(WORDS)) {
    if ('([{'.includes(word)) {
      outer.push(level)
      level = anew()
    } else if (')]}'.includes(word)) {
      const inner = totalOf(level)
      level = outer.pop() ?? anew()
      level.operand += inner + NESTED
    } else level = goOn(level, word)
  }
  return [level, ...outer].reduce((sum, each) => sum + totalOf(each), 0)
}

const goOn = (level: Level, word: string): Level => {
  if (word === ',' || word === ';') return { ...anew(), part: totalOf(level) }
  if (word === '&&' || word === '||') {
    return { ...level, deepest: Math.max(level.deepest, level.operand), operand: 0, links: level.links + 1 }
  }
  if (/^(?:"|\/\/|::)/.test(word)) return level
  return { ...level, operand: level.operand + (word === 'if' ? NESTED : 1) }
}

export const isTooDeep = (text: string): boolean => depthOf(text) > DEEPEST
