import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/tenantry-typescript/', import.meta.url))

const readKept = (file) => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

/** Two processes may compile one file at once: each renames a whole one into place. */
const keep = (file, source) => {
  mkdirSync(CACHE, { recursive: true })
  const fresh = `${file}.${randomBytes(4).toString('hex')}`
  writeFileSync(fresh, source)
  renameSync(fresh, file)
}

const compile = async (source, fileName) => {
  const { default: ts } = await import('typescript')
  const { ESNext, ES2023 } = { ...ts.ModuleKind, ...ts.ScriptTarget }
  const compilerOptions = {
    module: ESNext,
    target: ES2023,
    verbatimModuleSyntax: true,
    inlineSourceMap: true,
    inlineSources: true,
  }
  return ts.transpileModule(source, { fileName, compilerOptions }).outputText
}

export const load = async (url, context, next) => {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return next(url, context)
  const path = fileURLToPath(url)
  const source = readFileSync(path, 'utf8')
  const file = `${CACHE}${createHash('sha256').update(path).update(source).digest('hex').slice(0, 32)}.mjs`
  const kept = readKept(file)
  const compiled = kept ?? (await compile(source, path))
  if (kept === undefined) keep(file, compiled)
  return { format: 'module', source: compiled, shortCircuit: true }
}
