// The running service that a command talks to: where it is, and with which key.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TenantryClient } from '@tenantry/client'
import type { Command } from 'commander'
import { ConfigError, type Environment, readDatabaseSettings } from '../config.ts'
import { notedAddress } from '../database/directory-address.ts'
import { CommandError, UsageError } from './failures.ts'

/** A service that takes longer for a small public document counts as away. */
export const ANSWER_WITHIN_MS = 5_000

export interface ServiceOptions {
  url?: string
  apiKeyFile?: string
  json?: boolean
}

/** Adds what every command that talks to a service takes. */
export const onService = (command: Command): Command =>
  command
    .option('--url <url>', 'where the service is (default: TENANTRY_URL, else the service started here)')
    .option('--api-key-file <file>', 'a file with the API key (default: the key in TENANTRY_API_KEY)')
    .option('--json', 'print JSON')

/** @throws UsageError, ConfigError */
export const serviceUrl = ({ url }: ServiceOptions, environment: Environment): string => {
  const text = url ?? (environment.TENANTRY_URL?.trim() || addressHere(environment) || 'http://127.0.0.1:3000')
  if (isServiceUrl(text)) return text.replace(/\/+$/, '')
  const problem = 'must be a URL like https://tenantry.example.com'
  throw url === undefined ? new ConfigError([`TENANTRY_URL ${problem}`]) : new UsageError(`--url ${problem}`)
}

/** Where the service listens that uses the data directory; undefined when none does, or with a server's database. */
const addressHere = (environment: Environment): string | undefined => {
  const { database_url, data_dir } = readDatabaseSettings(environment)
  return database_url === undefined ? notedAddress(data_dir) : undefined
}

const isServiceUrl = (text: string): boolean => {
  if (!URL.canParse(text)) return false
  const { protocol, username, password } = new URL(text)
  return /^https?:$/.test(protocol) && username === '' && password === ''
}

interface FoundKey {
  key: string
  /** Where it was found: said when the service does not know it. */
  source: string
}

/** @throws UsageError when the file cannot be read, ConfigError when there is no key */
const findApiKey = (url: string, { apiKeyFile }: ServiceOptions, environment: Environment): FoundKey => {
  const text = environment.TENANTRY_API_KEY?.trim()
  if (apiKeyFile !== undefined) return sendable({ key: readKeyFile(apiKeyFile), source: apiKeyFile })
  if (text) return sendable({ key: text, source: 'TENANTRY_API_KEY' })
  const found = embeddedRootKey(url, environment)
  if (found) return sendable(found)
  throw new ConfigError(['TENANTRY_API_KEY is not set; it is the API key to use (or name a file with --api-key-file)'])
}

/** What cannot stand in a header would come back in an error message, key and all. */
const sendable = (found: FoundKey): FoundKey => {
  if (/^[\x21-\x7e]+$/.test(found.key)) return found
  throw new ConfigError([`${found.source} holds no API key: one has no spaces and only ASCII characters`])
}

const readKeyFile = (file: string): string => {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new UsageError(`--api-key-file cannot be read: ${(error as Error).message}`)
  }
}

/** What embedded mode made for the person who started it here. It is sent to that very service only. */
const embeddedRootKey = (url: string, environment: Environment): FoundKey | undefined => {
  const { database_url, data_dir } = readDatabaseSettings(environment)
  const address = notedAddress(data_dir)
  if (database_url !== undefined || address === undefined || !isSameService(url, address)) return undefined
  const source = join(data_dir, 'root-api-key')
  try {
    return { key: readFileSync(source, 'utf8').trim(), source }
  } catch {
    return undefined
  }
}

const isLoopback = (host: string): boolean => host === 'localhost' || host === '[::1]' || /^127(\.\d+){3}$/.test(host)

/** By whichever of this machine's names: only the port tells services on it apart. */
const isSameService = (url: string, address: string): boolean =>
  isLoopback(new URL(url).hostname) && new URL(url).port === new URL(address).port

/** Runs `work` with the service's client. @throws CommandError when what answers there is not Tenantry, or nothing does */
export const withService = async <T>(
  options: ServiceOptions,
  work: (tenantry: TenantryClient) => Promise<T>,
): Promise<T> => {
  const url = serviceUrl(options, process.env)
  const { key, source } = findApiKey(url, options, process.env)
  const { createTenantryClient, TenantryProblem } = await import('@tenantry/client')
  try {
    return await explainSilence(url, () => work(createTenantryClient({ base_url: url, api_key: key })))
  } catch (error) {
    const isUnknown = error instanceof TenantryProblem && error.status === 401
    if (isUnknown && !options.json) process.stderr.write(`${url} does not accept the key from ${source}.\n`)
    throw error
  }
}

export const explainSilence = async <T>(url: string, work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new CommandError(`What answers at ${url} is not Tenantry.`, { cause: error })
    const isTimeout = error instanceof DOMException && error.name === 'TimeoutError'
    if (!(isTimeout || (error instanceof TypeError && error.message === 'fetch failed'))) throw error
    const { code, message } = (error.cause ?? error) as { code?: unknown; message: string }
    throw new CommandError(
      `Nothing answers at ${url} (${typeof code === 'string' ? code : message}). Is it running (\`tenantry serve\`), and is the address right (TENANTRY_URL, --url)?`,
      { cause: error },
    )
  }
}
