// A real OpenID provider (oidc-provider) where users log in with a form, and a real application (openid-client) that sends
// them there and gets their tokens: authorization code with PKCE.
import type { IncomingMessage, ServerResponse } from 'node:http'
import Provider, { type Configuration, interactionPolicy } from 'oidc-provider'
import * as application from 'openid-client'
import type { Test } from 'tap'
import { aPair, jwkOf, type Pair } from '../support/identity-provider.ts'
import { aLoopback } from '../support/loopback.ts'

export const CLIENT_ID = 'shop'
export const RESOURCE = 'https://shop.example/api'
const REDIRECT_URI = 'https://shop.example/callback' // never asked: the browser below stops before it
const PASSWORD = 'correct horse battery staple'

const privateJwk = (pair: Pair) => ({ ...jwkOf(pair), ...pair.privateKey.export({ format: 'jwk' }) })

const configuration = (keys: Pair[], id_token_signed_response_alg: 'RS256' | 'ES256'): Configuration => ({
  clients: [
    {
      ...{ client_id: CLIENT_ID, token_endpoint_auth_method: 'none', id_token_signed_response_alg },
      ...{ redirect_uris: [REDIRECT_URI], response_types: ['code'], grant_types: ['authorization_code'] },
    },
  ],
  jwks: { keys: keys.map(privateJwk) } as never, // whose types want each kind of key spelt out
  cookies: { keys: ['a key that signs cookies'] },
  ttl: { Interaction: 60, Session: 60, Grant: 60, AccessToken: 60, IdToken: 60 },
  findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  interactions: {
    policy: loginAlone(),
    url: (_, { uid }) => `/login/${uid}`,
  },
  loadExistingGrant: async ({ oidc }) => {
    const grant = new oidc.provider.Grant({
      ...(oidc.client && { clientId: oidc.client.clientId }),
      ...(oidc.session?.accountId && { accountId: oidc.session.accountId }),
    })
    grant.addOIDCScope('openid')
    grant.addResourceScope(RESOURCE, 'orders')
    await grant.save()
    return grant
  },
  features: {
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({
        ...{ audience: RESOURCE, scope: 'orders', accessTokenFormat: 'jwt' },
        jwt: { sign: { alg: id_token_signed_response_alg } },
      }),
    },
  },
})

/** Nobody is asked for consent: the shop is the provider's own. */
const loginAlone = (): interactionPolicy.DefaultPolicy => {
  const policy = interactionPolicy.base()
  policy.remove('consent')
  return policy
}

const bodyOf = async (request: IncomingMessage): Promise<URLSearchParams> => {
  let text = ''
  for await (const chunk of request) text += chunk
  return new URLSearchParams(text)
}

const logIn = async (provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const { prompt } = await provider.interactionDetails(request, response)
  if (request.method === 'GET') {
    response.end(`<form method="post"><h1>${prompt.name}</h1><input name="user"><input name="password"></form>`)
    return
  }
  const body = await bodyOf(request)
  if (body.get('password') !== PASSWORD) return void response.writeHead(403).end()
  await provider.interactionFinished(request, response, { login: { accountId: String(body.get('user')) } })
}

/** A browser as far as logging in takes one: it keeps cookies by path, and follows redirects of its provider. */
class Browser {
  readonly #origin: string
  readonly #cookies = new Map<string, { value: string; path: string }>()

  constructor(origin: string) {
    this.#origin = origin
  }

  /** Where it ends: a page of the provider, or the address of another that it was sent to. */
  async open(url: URL, form?: Record<string, string>): Promise<{ url: URL; status: number; text: string }> {
    const body = form && new URLSearchParams(form)
    const response = await fetch(url, {
      ...{ method: form ? 'POST' : 'GET', redirect: 'manual', headers: { cookie: this.#cookiesFor(url) } },
      ...(body && { body }),
    })
    for (const cookie of response.headers.getSetCookie()) this.#keep(cookie)
    const text = await response.text()
    const location = response.headers.get('location')
    const next = location === null ? undefined : new URL(location, url)
    if (next?.origin === this.#origin) return this.open(next)
    return { url: next ?? url, status: response.status, text }
  }

  #cookiesFor({ pathname }: URL): string {
    const sent = [...this.#cookies].filter(([, { path }]) => pathname.startsWith(path))
    return sent.map(([name, { value }]) => `${name}=${value}`).join('; ')
  }

  #keep(cookie: string): void {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
    const [, path = '/'] = /; path=([^;]+)/i.exec(cookie) ?? []
    if (value === '') this.#cookies.delete(name)
    else this.#cookies.set(name, { value, path })
  }
}

export interface LoggedIn {
  id_token: string
  /** A JWT for `RESOURCE` (RFC 9068). */
  access_token: string
}

export interface RealProvider {
  issuer: string
  logIn(user: string): Promise<LoggedIn>
}

export const aRealProvider = async (t: Test, alg: 'RS256' | 'ES256'): Promise<RealProvider> => {
  const { url: issuer, serve } = await aLoopback(t)
  const provider = new Provider(issuer, configuration([aPair('provider-1', alg)], alg))
  const answer = provider.callback()
  serve((request, response) => {
    if (!request.url?.startsWith('/login/')) return void answer(request, response)
    logIn(provider, request, response).catch((error: unknown) => response.writeHead(500).end(String(error)))
  })
  const shop = await application.discovery(new URL(issuer), CLIENT_ID, undefined, application.None(), {
    execute: [application.allowInsecureRequests],
  })

  const logInAs = async (user: string): Promise<LoggedIn> => {
    const verifier = application.randomPKCECodeVerifier()
    const [state, nonce] = [application.randomState(), application.randomNonce()]
    const browser = new Browser(issuer)
    const start = application.buildAuthorizationUrl(shop, {
      ...{ redirect_uri: REDIRECT_URI, scope: 'openid orders', resource: RESOURCE, state, nonce },
      ...{ code_challenge: await application.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' },
    })
    const page = await browser.open(start)
    t.match(page, { status: 200, text: /<h1>login<\/h1>/ }, 'nobody is logged in yet')
    t.equal((await browser.open(page.url, { user, password: 'guessed' })).status, 403)
    const { url } = await browser.open(page.url, { user, password: PASSWORD })
    const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce }
    const tokens = await application.authorizationCodeGrant(shop, url, checks, { resource: RESOURCE })
    return { id_token: String(tokens.id_token), access_token: tokens.access_token }
  }
  return { issuer, logIn: logInAs }
}
