// Installs the tools, or says loudly why not: exit code 3, which is no failure of the chart.
import { Unavailable } from './running.ts'
import { installTools } from './tools.ts'

const started = Date.now()
try {
  installTools()
  console.log(`tools are there after ${Math.round((Date.now() - started) / 1000)} s`)
} catch (error) {
  if (!(error instanceof Unavailable)) throw error
  console.error(`The tools cannot be had here:\n${error.message}`)
  process.exitCode = 3
}
