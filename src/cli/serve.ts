// tenantry serve
import type { Command } from 'commander'

export const addServeCommand = (program: Command): void => {
  program
    .command('serve')
    .description('run the service until SIGTERM or SIGINT')
    .option('--seed', 'fill in two demo tenants with a member of every role', false)
    .addHelpText(
      'after',
      `
Settings:
  HOST, PORT                  where to listen (127.0.0.1, 3000; port 0 takes a free one)
  DATABASE_URL                PostgreSQL 15 or later; unset, the embedded database in TENANTRY_DATA_DIR (./.tenantry)
  DATABASE_DIRECT_URL         the same database past a pooler, if DATABASE_URL leads through one
  TENANTRY_DATABASE_POOL      how many connections requests share (10)
  TENANTRY_FAILOVER           synchronous where a promoted standby lost nothing, asynchronous where it may have
  TENANTRY_ISSUER             the public base URL, which tokens carry as iss *
  TENANTRY_ROOT_API_KEY       the first API key, at least 32 characters *
  TENANTRY_ENCRYPTION_KEY     32 random bytes as base64; seals the signing keys *
  TENANTRY_PREVIOUS_ENCRYPTION_KEY  the one before, while the change to a new one lasts
  TENANTRY_SIGNING_ALGORITHM  ES256, RS256 or EdDSA, of keys made from now on
  TENANTRY_AUDIENCES          the only audiences tokens are issued for, separated by commas
  TENANTRY_ALLOW_LOOPBACK_ISSUERS  true for development: identity providers on this machine, over http
  LOG_LEVEL                   info
* required with DATABASE_URL

On a terminal it prints the quick start; elsewhere it logs JSON. The first signal stops it in order: /readyz answers 503,
what is under way is finished. The second stops it at once.`,
    )
    .action(async (options: { seed: boolean }) => {
      const { serve } = await import('../main.ts')
      await serve(options)
    })
}
