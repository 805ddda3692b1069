// What is made from values.yaml and the templates: values.schema.json, README.md, and what each value set renders to
// (golden/). `--check` changes nothing and says what is not as it would be.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import { CHART, GOLDEN, render, VALUE_SETS } from './render.ts'
import { run } from './running.ts'
import { commandAt, installTools } from './tools.ts'
import { schemaOf } from './values-schema.ts'

const isCheck = process.argv.includes('--check')
let stale = 0

const report = (path: string, difference: string): void => {
  stale += 1
  console.log(`${isCheck ? 'not as generated' : 'written'}: ${relative(process.cwd(), path)}\n${difference}`)
}

const put = (path: string, text: string): void => {
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return
  report(path, isCheck ? spawnSync('diff', ['-u', path, '-'], { input: text, encoding: 'utf8' }).stdout : '')
  if (!isCheck) writeFileSync(path, text)
}

const schema = (): string => `${JSON.stringify(schemaOf(readFileSync(`${CHART}/values.yaml`, 'utf8')), null, 2)}\n`

const readme = (): string => {
  const text = run(commandAt('helm-docs'), ['--dry-run', '--chart-search-root', CHART])
  return `${text.replaceAll(/[ \t]+$/gm, '').trim()}\n`
}

const forget = (file: string): void => {
  report(`${GOLDEN}/${file}`, 'is of no value set')
  if (!isCheck) rmSync(`${GOLDEN}/${file}`)
}

installTools()
put(`${CHART}/values.schema.json`, schema())
put(`${CHART}/README.md`, readme())
for (const name of VALUE_SETS.keys()) put(`${GOLDEN}/${name}.yaml`, render(name))
for (const file of readdirSync(GOLDEN)) if (!VALUE_SETS.has(file.replace('.yaml', ''))) forget(file)

if (isCheck && stale > 0) {
  console.log('`npm run generate:helm` writes them; look at what changed.')
  process.exitCode = 1
}
