// The process of the `tenantry` command.
import { runCommand } from './program.ts'

// Whoever reads us may have read enough (`tenantry tenants list | head`).
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

process.exitCode = await runCommand(process.argv.slice(2))
