// @ts-check
// `npm run demo`: Tenantry told by doing. A fresh embedded Tenantry and a small service behind it (examples/downstream),
// both real processes; each step is a real request, printed with its answer. A step that is answered otherwise than the
// story says ends the demo with exit code 1.

import { ensureBuilt } from '../bin/build.mjs'
import { narrator, PlotHole } from './demo/narrator.mjs'
import { cleanUp, startDownstream, startTenantry } from './demo/processes.mjs'

/** The name of the invoices service, which tokens for it carry as `aud`. */
const AUDIENCE = 'https://invoices.example'

/** @typedef {import('./demo/narrator.mjs').Credential} Credential */
/** @typedef {ReturnType<typeof narrator>} Narrator */
/**
 * @typedef {object} Stage what the chapters play on, and what they find out on the way
 * @property {string} tenantry
 * @property {string} invoices
 * @property {Narrator['step']} step
 * @property {Narrator['aside']} aside
 * @property {Credential} root
 * @property {() => Promise<void>} stopTenantry
 * @property {Record<string, string>} ids
 * @property {Record<string, Credential>} credentials
 */

/** @type {[title: string, play: (stage: Stage) => Promise<void>][]} */
const story = [
  ['Two customers, and a person in both', signUp],
  ['A token, verified by a service that never asks', verifyOffline],
  ['Nothing crosses from one tenant to the other', crossTenants],
  ['A tenant runs itself', administer],
  ['A role changes, and the decision with it', changeRole],
  ['A member is removed', removeMember],
  ['A tenant is suspended, and comes back', suspend],
  ['What happened', readHistory],
  ['Without Tenantry', goOffline],
]

/** @param {Stage} stage */
async function signUp({ step, tenantry, root, ids, credentials }) {
  const acme = await step('Acme signs up: a tenant, and its first owner with it.', {
    ask: `POST ${tenantry}/tenants`,
    by: root,
    body: { name: 'Acme', owner: { user_id: 'user_olga' } },
    expect: 201,
    show: ['id', 'slug', 'name', 'status', 'revision'],
  })
  const globex = await step('So does Globex.', {
    ask: `POST ${tenantry}/tenants`,
    by: root,
    body: { name: 'Globex', owner: { user_id: 'user_gus' } },
    expect: 201,
    show: ['id', 'slug', 'name', 'status', 'revision'],
  })
  Object.assign(ids, { acme: acme.body.id, globex: globex.body.id })
  await step('Vera becomes a member of Acme; "member" is the role when none is named.', {
    ask: `POST ${tenantry}/memberships`,
    by: root,
    body: { tenant_id: ids.acme, user_id: 'user_vera' },
    expect: 201,
    answers: { roles: ['member'] },
    show: ['id', 'tenant_id', 'user_id', 'roles', 'status', 'revision'],
  })
  const inGlobex = await step('The same Vera is a viewer in Globex.', {
    ask: `POST ${tenantry}/memberships`,
    by: root,
    body: { tenant_id: ids.globex, user_id: 'user_vera', roles: ['viewer'] },
    expect: 201,
    show: ['id', 'tenant_id', 'user_id', 'roles', 'status', 'revision'],
  })
  ids.vera_in_globex = inGlobex.body.id
  const key = await step(
    "The product's back end gets a key of its own: it may issue tokens and ask for decisions, no more.",
    {
      ask: `POST ${tenantry}/api-keys`,
      by: root,
      body: { name: 'back end', permissions: ['tenantry.token:issue', 'tenantry.access:check'] },
      expect: 201,
      show: ['id', 'name', 'permissions', 'secret'],
    },
  )
  credentials.back_end = { words: "the back end's key", secret: key.body.secret }
}

/** @param {Stage} stage */
async function verifyOffline(stage) {
  const { step, invoices, ids, credentials } = stage
  const vera = await issueToken(
    stage,
    'The back end has logged Vera in, and asks for her token for the invoices service.',
    {
      name: 'Vera',
      audience: AUDIENCE,
      decode: true,
    },
  )
  credentials.vera = vera
  await step('The invoices service verifies it by itself, with keys it fetched once: she may write.', {
    ask: `POST ${invoices}/tenants/${ids.acme}/invoices`,
    by: vera,
    body: { title: 'Consulting, November', amount_cents: 120_000 },
    expect: 201,
    show: ['id', 'tenant_id', 'title', 'created_by'],
  })
  await step('And read.', {
    ask: `GET ${invoices}/tenants/${ids.acme}/invoices`,
    by: vera,
    expect: 200,
    each: ({ title, created_by }) => `${title}, by ${created_by}`,
  })
  await step('A stranger may not.', {
    ask: `GET ${invoices}/tenants/${ids.acme}/invoices`,
    by: { words: 'no credential', secret: undefined },
    expect: 401,
    answers: { code: 'invalid_token', reason: 'missing' },
  })
}

/** @param {Stage} stage */
async function crossTenants(stage) {
  const { step, tenantry, invoices, ids, credentials } = stage
  await step("Vera takes her Acme token to Globex's invoices. She is a member there, but this token is for Acme.", {
    ask: `GET ${invoices}/tenants/${ids.globex}/invoices`,
    by: credentials.vera,
    expect: 403,
    answers: { code: 'tenant_mismatch' },
  })
  credentials.olga = await issueToken(
    stage,
    'Olga, owner of Acme, gets a token for Tenantry itself: no audience asked.',
    {
      name: 'Olga',
    },
  )
  await step('She tries to put somebody into Globex. To her, there is no Globex.', {
    ask: `POST ${tenantry}/memberships`,
    by: credentials.olga,
    body: { tenant_id: ids.globex, user_id: 'user_spy', roles: ['owner'] },
    expect: 404,
    answers: { code: 'tenant.not_found' },
  })
  await step("Nor is there Vera's membership in it, even if its id leaked.", {
    ask: `DELETE ${tenantry}/memberships/${ids.vera_in_globex}`,
    by: credentials.olga,
    expect: 404,
    answers: { code: 'membership.not_found' },
  })
}

/** @param {Stage} stage */
async function administer(stage) {
  const { step, tenantry, invoices, ids, credentials } = stage
  const { olga } = credentials
  await step('At home Olga is the owner. She makes Adam an admin; the tenant goes without saying.', {
    ask: `POST ${tenantry}/memberships`,
    by: olga,
    body: { user_id: 'user_adam', roles: ['admin'] },
    expect: 201,
    answers: { tenant_id: ids.acme },
    show: ['id', 'tenant_id', 'user_id', 'roles', 'revision'],
  })
  const adam = await issueToken(stage, "Adam's token for Tenantry.", { name: 'Adam' })
  const mia = await step('With it Adam takes in Mia, who may look.', {
    ask: `POST ${tenantry}/memberships`,
    by: adam,
    body: { user_id: 'user_mia', roles: ['viewer'] },
    expect: 201,
    show: ['id', 'tenant_id', 'user_id', 'roles', 'revision'],
  })
  await step('He cannot make an owner: nobody gives rights beyond their own.', {
    ask: `POST ${tenantry}/memberships`,
    by: adam,
    body: { user_id: 'user_crony', roles: ['owner'] },
    expect: 403,
    answers: { code: 'role.exceeds_own' },
  })
  const miaHere = await issueToken(stage, "Mia's token for Tenantry.", { name: 'Mia' })
  await step('A viewer manages nobody.', {
    ask: `POST ${tenantry}/memberships`,
    by: miaHere,
    body: { user_id: 'user_friend' },
    expect: 403,
    answers: { code: 'permission.missing' },
  })
  const miaThere = await issueToken(stage, "Mia's token for the invoices.", { name: 'Mia', audience: AUDIENCE })
  await step('And writes no invoices.', {
    ask: `POST ${invoices}/tenants/${ids.acme}/invoices`,
    by: miaThere,
    body: { title: 'For me', amount_cents: 1 },
    expect: 403,
    answers: { code: 'permission_missing' },
  })
  Object.assign(credentials, { adam, miaHere, miaThere })
  Object.assign(ids, { mia: mia.body.id, mia_etag: mia.headers.get('etag') })
}

/** @param {Stage} stage */
async function changeRole(stage) {
  const { step, aside, tenantry, invoices, ids, credentials } = stage
  const { adam } = credentials
  await decide(stage, 'May Mia write invoices? The answer says why not.', {
    ...{ user_id: 'user_mia', action: 'write', decision: false, reason: 'no_role_grants' },
  })
  await step('Adam makes her a member as well, provided nobody changed her meanwhile (If-Match).', {
    ask: `PATCH ${tenantry}/memberships/${ids.mia}`,
    by: adam,
    headers: { 'If-Match': ids.mia_etag ?? '' },
    body: { roles: ['viewer', 'member'] },
    expect: 200,
    show: ['id', 'user_id', 'roles', 'revision'],
  })
  await decide(stage, 'The same question a moment later.', {
    ...{ user_id: 'user_mia', action: 'write', decision: true, reason: 'role_grants' },
  })
  await step('Her token is from before, and says what was true then: at most for its 300 seconds.', {
    ask: `POST ${invoices}/tenants/${ids.acme}/invoices`,
    by: credentials.miaThere,
    body: { title: 'Too early', amount_cents: 100 },
    expect: 403,
    answers: { code: 'permission_missing' },
  })
  const fresh = await issueToken(stage, 'So she gets a fresh one.', { name: 'Mia', audience: AUDIENCE })
  credentials.miaThereNow = { ...fresh, words: "Mia's fresh token for the invoices" }
  await step('And writes her invoice.', {
    ask: `POST ${invoices}/tenants/${ids.acme}/invoices`,
    by: credentials.miaThereNow,
    body: { title: 'Workshop', amount_cents: 90_000 },
    expect: 201,
    show: ['id', 'tenant_id', 'title', 'created_by'],
  })
  aside('Where staleness is not acceptable, ask Tenantry for the decision instead of reading the token.')
}

/** @param {Stage} stage */
async function removeMember(stage) {
  const { step, tenantry, invoices, ids, credentials } = stage
  const { adam, miaHere, miaThereNow } = credentials
  await step('Mia still is a member: everybody may read their own membership.', {
    ask: `GET ${tenantry}/memberships/${ids.mia}`,
    by: miaHere,
    expect: 200,
    show: ['id', 'user_id', 'roles', 'status'],
  })
  await step('Adam removes her.', {
    ask: `DELETE ${tenantry}/memberships/${ids.mia}`,
    by: adam,
    expect: 204,
  })
  await step('Her token has minutes to live, but Tenantry itself looks at the facts: she is out at once.', {
    ask: `GET ${tenantry}/memberships/${ids.mia}`,
    by: miaHere,
    expect: 401,
    answers: { code: 'token.stale' },
  })
  await decide(stage, 'Nor does any check allow her anything.', {
    ...{ user_id: 'user_mia', action: 'read', decision: false, reason: 'not_a_member' },
  })
  await step('Nor is there another token for her.', {
    ask: `POST ${tenantry}/tokens`,
    by: credentials.back_end,
    body: { tenant_id: ids.acme, user_id: 'user_mia', audience: AUDIENCE },
    expect: 404,
    answers: { code: 'membership.not_found' },
  })
  await step(
    'Offline, the one she has works until it expires. Keep lifetimes short: in this release nothing recalls it.',
    {
      ask: `GET ${invoices}/tenants/${ids.acme}/invoices`,
      by: miaThereNow,
      expect: 200,
      each: ({ title, created_by }) => `${title}, by ${created_by}`,
    },
  )
}

/** @param {Stage} stage */
async function suspend(stage) {
  const { step, tenantry, root, ids, credentials } = stage
  await decide(stage, 'Before: may Vera read invoices in Acme?', {
    ...{ user_id: 'user_vera', action: 'read', decision: true, reason: 'role_grants' },
  })
  await step('Acme has not paid. The platform suspends the tenant.', {
    ask: `POST ${tenantry}/tenants/${ids.acme}/suspend`,
    by: root,
    body: { reason: 'Invoice overdue' },
    expect: 200,
    show: ['id', 'status', 'revision'],
  })
  await decide(stage, 'From that answer on, every decision in Acme is no.', {
    ...{ user_id: 'user_vera', action: 'read', decision: false, reason: 'tenant_suspended' },
  })
  await decide(stage, 'In Globex, where Vera is a viewer, nothing has changed.', {
    ...{ tenant: 'globex', user_id: 'user_vera', action: 'read', decision: true, reason: 'role_grants' },
  })
  await step('No token is issued in a suspended tenant.', {
    ask: `POST ${tenantry}/tokens`,
    by: credentials.back_end,
    body: { tenant_id: ids.acme, user_id: 'user_vera', audience: AUDIENCE },
    expect: 409,
    answers: { code: 'tenant.not_active' },
  })
  await step('And its own people can only look at the tenant itself.', {
    ask: `GET ${tenantry}/memberships`,
    by: credentials.olga,
    expect: 403,
    answers: { code: 'tenant.suspended' },
  })
  await step('Acme pays.', {
    ask: `POST ${tenantry}/tenants/${ids.acme}/reactivate`,
    by: root,
    expect: 200,
    show: ['id', 'status', 'revision'],
  })
  await decide(stage, 'After: everybody is back, with the roles of before.', {
    ...{ user_id: 'user_vera', action: 'read', decision: true, reason: 'role_grants' },
  })
}

/** @param {Stage} stage */
async function readHistory({ step, tenantry, root, ids }) {
  await step(
    "Every change is one event of the tenant's history, numbered without a gap, with who did it and no names.",
    {
      ask: `GET ${tenantry}/events?tenant_id=${ids.acme}`,
      by: root,
      expect: 200,
      each: ({ revision, type, actor, data }) =>
        `${String(revision).padStart(2)}  ${type.padEnd(20)} ${actor.type.padEnd(10)} ${JSON.stringify(data)}`,
    },
  )
}

/** @param {Stage} stage */
async function goOffline({ step, aside, invoices, ids, credentials, stopTenantry }) {
  await stopTenantry()
  aside('Tenantry is stopped now.')
  await step('The invoices service verifies on: it has the keys, and needs no other word.', {
    ask: `GET ${invoices}/tenants/${ids.acme}/invoices`,
    by: credentials.vera,
    expect: 200,
    each: ({ title, created_by }) => `${title}, by ${created_by}`,
  })
}

/**
 * A token in Acme, as a credential.
 *
 * @param {Stage} stage
 * @param {string} says
 * @param {{ name: string, audience?: string, decode?: boolean }} who
 * @returns {Promise<Credential>}
 */
async function issueToken({ step, tenantry, ids, credentials }, says, { name, audience, decode = false }) {
  const { body } = await step(says, {
    ask: `POST ${tenantry}/tokens`,
    by: credentials.back_end,
    body: { tenant_id: ids.acme, user_id: `user_${name.toLowerCase()}`, ...(audience && { audience }) },
    expect: 200,
    decode,
  })
  return { words: `${name}'s token for ${audience ? 'the invoices' : 'Tenantry'}`, secret: body.access_token }
}

/**
 * Asks Tenantry (AuthZEN), with the reason.
 *
 * @param {Stage} stage
 * @param {string} says
 * @param {{ tenant?: string, user_id: string, action: string, decision: boolean, reason: string }} question
 */
async function decide(
  { step, tenantry, ids, credentials },
  says,
  { tenant = 'acme', user_id, action, decision, reason },
) {
  await step(says, {
    ask: `POST ${tenantry}/access/v1/evaluation`,
    by: credentials.back_end,
    body: {
      subject: { type: 'user', id: user_id },
      action: { name: action },
      resource: { type: 'invoice', id: 'any' },
      context: { tenant_id: ids[tenant], explain: true },
    },
    expect: 200,
    answers: { decision, context: { reason: { code: reason } } },
  })
}

async function main() {
  await ensureBuilt()
  const started = Date.now()
  const color = process.stdout.isTTY && !process.env.NO_COLOR
  const told = narrator({ write: (text) => process.stdout.write(text), color })
  for (const [signal, code] of /** @type {const} */ ([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ]))
    process.once(signal, () => cleanUp().finally(() => process.exit(code)))
  try {
    const tenantry = await startTenantry()
    const invoices = await startDownstream({ issuer: tenantry.url, audience: AUDIENCE })
    told.line(`Tenantry is at ${tenantry.url}, on an empty embedded database.`)
    told.line(`The invoices service (examples/downstream) is at ${invoices.url}.`)
    const stage = {
      ...{ tenantry: tenantry.url, invoices: invoices.url, stopTenantry: tenantry.stop },
      ...{ step: told.step, aside: told.aside, ids: {}, credentials: {} },
      root: { words: 'the root key', secret: tenantry.root_api_key },
    }
    for (const [title, play] of story) {
      told.chapter(title)
      await play(stage)
    }
    told.line(
      `\n${told.count()} requests, each answered as told, in ${Math.round((Date.now() - started) / 100) / 10} s.`,
    )
  } catch (error) {
    if (!(error instanceof PlotHole)) throw error
    process.stderr.write(`\nThe story broke: ${error.message}\n`)
    process.exitCode = 1
  } finally {
    await cleanUp()
  }
}

await main()
