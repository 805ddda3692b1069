// Fetching from an address that somebody else chose. Whoever may name an issuer could otherwise have this service ask its own
// network (RFC 8725 §3.10): the address that is connected to is the one that was checked, and redirects lead nowhere.
import { type LookupAddress, type LookupAllOptions, lookup } from 'node:dns'
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { Readable } from 'node:stream'

/** Asks for all addresses of a host. */
export type Resolve = (host: string) => Promise<LookupAddress[]>

const blocked = new BlockList()
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  blocked.addSubnet(net, prefix, 'ipv4')
}
// Of IPv6 only what is routed on the internet counts, and of that not what carries an IPv4 address inside.
const open = new BlockList()
open.addSubnet('2000::', 3, 'ipv6')
const embedding = new BlockList()
for (const [net, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  embedding.addSubnet(net, prefix, 'ipv6')
}
const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

const isLoopback = ({ address, family }: LookupAddress): boolean => loopback.check(address, familyName(family))

const familyName = (family: number): 'ipv4' | 'ipv6' => (family === 6 ? 'ipv6' : 'ipv4')

const isPublic = ({ address, family }: LookupAddress): boolean =>
  family === 6 ? open.check(address, 'ipv6') && !embedding.check(address, 'ipv6') : !blocked.check(address, 'ipv4')

export class UnsafeAddress extends Error {}

const resolveBySystem: Resolve = (host) =>
  new Promise((resolve, reject) => {
    lookup(host, { all: true } satisfies LookupAllOptions, (error, addresses) =>
      error ? reject(error) : resolve(addresses),
    )
  })

interface Options {
  /** For development: http, and addresses of this machine. */
  allow_loopback: boolean
  resolve?: Resolve
}

/** Whether a URL may be asked at all, before anybody is. */
export const isSafeUrl = (text: string, allow_loopback: boolean): boolean => {
  if (!URL.canParse(text)) return false
  const { protocol, username, password, hostname } = new URL(text)
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  const family = isIP(host)
  const literal = family === 0 ? undefined : { address: host, family }
  const isHere = literal ? isLoopback(literal) : host === 'localhost' || host.endsWith('.localhost')
  if (username !== '' || password !== '' || !(protocol === 'https:' || (protocol === 'http:' && isHere))) return false
  return isHere ? allow_loopback : literal === undefined || isPublic(literal)
}

/** A `lookup` for one connection: all of the host's addresses must be fit to be connected to. */
const guardedLookup =
  ({ allow_loopback, resolve = resolveBySystem }: Options): LookupFunction =>
  (host, options, done) => {
    const isFit = (address: LookupAddress): boolean => isPublic(address) || (allow_loopback && isLoopback(address))
    resolve(host).then(
      (addresses) => {
        const [first] = addresses
        const unfit = addresses.find((address) => !isFit(address))
        if (first === undefined || unfit) done(new UnsafeAddress(`${host} is at ${unfit?.address}`), '', 0)
        else if (options.all) done(null, addresses)
        else done(null, first.address, first.family)
      },
      (error: Error) => done(error as NodeJS.ErrnoException, '', 0),
    )
  }

/** @throws RangeError, TypeError for what HTTP can say and a `Response` cannot: a status like 999 */
const answerOf = (message: IncomingMessage): Response => {
  const headers = Object.entries(message.headers).map(([name, value]): [string, string] => [name, String(value)])
  const status = message.statusCode ?? 0
  const hasBody = status !== 204 && status !== 205 && status !== 304
  return new Response(hasBody ? (Readable.toWeb(message) as ReadableStream) : null, { status, headers })
}

/** What `@tenantry/client` fetches key sets with, guarded. A redirect is an answer like any other, and not followed. */
export const guardedFetch =
  (options: Options): typeof globalThis.fetch =>
  (input, init = {}) => {
    const url = String(input)
    if (!isSafeUrl(url, options.allow_loopback)) return Promise.reject(new UnsafeAddress(`${url} is no safe address`))
    const { request } = url.startsWith('https:') ? https : http
    return new Promise((resolve, reject) => {
      const asked = request(url, {
        headers: init.headers as Record<string, string>,
        ...(init.signal ? { signal: init.signal } : {}),
        lookup: guardedLookup(options),
        agent: false,
      })
      // Nothing may be thrown from an event: nobody would catch it, and the process would end.
      asked.on('response', (message) => {
        try {
          resolve(answerOf(message))
        } catch (error) {
          reject(error)
          message.destroy()
        }
      })
      asked.on('error', reject)
      asked.on('close', () => reject(new Error('the connection was closed without an answer'))) // as after a 101
      asked.end()
    })
  }
