#!/usr/bin/env node
// The `tenantry` command. In a checkout it first makes sure that dist/ is there and current; a package has dist/ only.

import { existsSync } from 'node:fs'

if (existsSync(new URL('../src', import.meta.url))) {
  const { BuildError, ensureBuilt } = await import('./build.mjs')
  try {
    await ensureBuilt()
  } catch (error) {
    if (!(error instanceof BuildError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exit(1)
  }
}

// npm and npx run us through a shell, and many shells die of a SIGTERM without passing it on. Nobody would be left to stop
// this process, which holds a port and a database; so it tells itself, as soon as the shell is gone.
if (['start', 'npx'].includes(process.env.npm_lifecycle_event ?? '')) {
  const shell = process.ppid
  const watch = setInterval(() => {
    if (process.ppid === shell) return
    clearInterval(watch)
    process.kill(process.pid, 'SIGTERM')
  }, 250).unref()
}

await import('../dist/cli/main.js')
