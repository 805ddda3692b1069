// The contract for machines and people: /openapi.json, the reference at /docs (Scalar, from this very service), and a page
// for every problem code. Nothing here loads anything from elsewhere, and the policy of each page says so.
import { readFile } from 'node:fs/promises'
import { CATALOGUE, type Code, Problem } from '../errors.ts'
import type { Handlers } from './handlers.ts'

const SCRIPT = new URL('../../dist/docs/reference.js', import.meta.url) // put there by the build
const FIVE_MINUTES = { 'Cache-Control': 'public, max-age=300' } // short: an upgrade changes all of these

const policy = (script: string): Record<string, string> => ({
  'Content-Security-Policy': `default-src 'none'; script-src ${script}; style-src 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'X-Content-Type-Options': 'nosniff',
})

// Relative addresses: the service may stand behind a path of its public URL.
const DOCS = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Tenantry API</title></head>
<body>
<script id="api-reference" data-url="openapi.json" data-configuration='{"withDefaultFonts":false,"telemetry":false,"hideClientButton":true,"showDeveloperTools":"never","agent":{"disabled":true}}'></script>
<script src="docs/reference.js"></script>
</body>
</html>`

const escapeHtml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

/** Backquotes in the catalogue's sentences are code. */
const prose = (text: string): string => escapeHtml(text).replaceAll(/`([^`]+)`/g, '<code>$1</code>')

const errorPage = (code: Code): string => {
  const { status, title, advice } = CATALOGUE[code]
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeHtml(title)} (${code})</title>
<style>body{font:1rem/1.6 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}code{font-family:ui-monospace,monospace}</style></head>
<body><h1>${prose(title)}</h1><p><code>${code}</code>, HTTP status ${status}</p><p>${prose(advice)}</p></body>
</html>`
}

const isCode = (code: string): code is Code => Object.hasOwn(CATALOGUE, code)

type Mine = 'getContract' | 'getDocs' | 'getDocsScript' | 'getErrorPage'

export const docsHandlers = (contract: { [key: string]: unknown }): Pick<Handlers, Mine> => {
  let script: Promise<Buffer> | undefined
  return {
    getContract: async () => ({ status: 200, body: contract, headers: FIVE_MINUTES }),
    getDocs: async () => ({
      status: 200,
      body: DOCS,
      headers: { ...policy("'self' 'unsafe-inline'"), ...FIVE_MINUTES },
    }),
    getDocsScript: async () => {
      script ??= readFile(SCRIPT).catch((error: unknown) => {
        script = undefined // it may be there the next time
        throw error
      })
      return { status: 200, body: await script, headers: { ...FIVE_MINUTES, 'X-Content-Type-Options': 'nosniff' } }
    },
    getErrorPage: async ({ path: { code } }) => {
      if (!isCode(code)) throw new Problem('error.not_found')
      return { status: 200, body: errorPage(code), headers: { ...policy("'none'"), ...FIVE_MINUTES } }
    },
  }
}
