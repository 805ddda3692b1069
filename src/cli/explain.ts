// tenantry explain <subject> <permission>: may they, and why? Asks the check endpoint, and says in words what it answered.
import type { Reason, ResourceRef } from '@tenantry/client'
import type { components } from '@tenantry/client/contract'
import type { Command } from 'commander'
import type { ConditionReason } from '../authorization/conditions.ts'
import { given, jsonObject } from './arguments.ts'
import { UsageError } from './failures.ts'
import { print, printable } from './output.ts'
import { onService, type ServiceOptions, withService } from './service.ts'
import { tenantIdIfNamed } from './tenants.ts'

type Answered = NonNullable<components['schemas']['EvaluationContext']['reason']>

interface Options extends ServiceOptions {
  tenant?: string
  resourceId?: string
  context?: { [name: string]: unknown }
}

interface Question {
  subject: { type: string; id: string }
  resource_type: string
  action: string
}

export const addExplainCommand = (program: Command): void => {
  onService(program.command('explain').description('say whether somebody may do something in a tenant, and why'))
    .argument('<subject>', 'a user, as the identity provider names them; or api_key:<id>')
    .argument('<permission>', 'what it is about, e.g. invoice:write')
    .option('--tenant <tenant>', "its id or slug (a tenant's own key may leave it out)")
    .option('--resource-id <id>', 'of which invoice, say; grants may be on that one only')
    .option(
      '--context <json>',
      'what else the check would say, for policies and logins: acr, auth_time, amount …',
      jsonObject,
    )
    .action(explain)
}

const API_KEY = 'api_key:'

/** No user's id begins like that of a machine. */
const subjectOf = (text: string): Question['subject'] =>
  text.startsWith(API_KEY) ? { type: 'api_key', id: text.slice(API_KEY.length) } : { type: 'user', id: text }

/** @throws UsageError */
const questionOf = (subject: string, permission: string): Question => {
  const [resource_type = '', action = '', ...more] = permission.split(':')
  if (resource_type === '' || action === '' || more.length > 0) {
    throw new UsageError('a permission is a resource and an action, e.g. invoice:write')
  }
  return { subject: subjectOf(subject), resource_type, action }
}

const explain = (
  named: string,
  permission: string,
  { tenant, resourceId = '-', context: told, ...options }: Options,
): Promise<void> => {
  const { subject, resource_type, action } = questionOf(named, permission)
  return withService(options, async (tenantry) => {
    const { unwrap } = await import('@tenantry/client')
    const tenant_id = await tenantIdIfNamed(tenantry, tenant)
    const body = {
      subject,
      action: { name: action },
      resource: { type: resource_type, id: resourceId },
      context: { ...told, explain: true, ...given({ tenant_id }) },
    }
    const { decision, context } = await unwrap(tenantry.POST('/access/v1/evaluation', { body }))
    const { reason, revisions = {} } = context ?? {}
    if (reason === undefined) throw new SyntaxError('this is no explanation') // somebody else answers there
    const where = tenant === undefined ? 'the tenant' : printable(tenant)
    print(options, { subject, permission, decision, reason, revisions }, [
      `${decision ? 'Yes' : 'No'}: ${printable(named)} ${decision ? 'may' : 'may not'} do ${printable(permission)} in ${where}.`,
      `Why: ${wordsOf(reason)} (${printable(reason.code)})`,
      ...atRevisions(revisions),
    ])
  })
}

const atRevisions = (revisions: Record<string, number>): string[] => {
  const all = Object.entries(revisions).map(([history, revision]) => `${printable(history)}:${revision}`)
  return all.length === 0 ? [] : [`As of: ${all.join(', ')}`]
}

const text = (value: unknown): string => printable(String(value))

/** Whereby the role is held, where the membership itself does not have it. */
const byWhich = ({ grant_id, group_id, resource }: Answered & { resource?: ResourceRef }): string =>
  [
    resource === undefined ? '' : ` on ${text(resource.type)}/${text(resource.id)}`,
    grant_id === undefined ? '' : `, by the grant ${text(grant_id)}`,
    group_id === undefined ? '' : `, through the group ${text(group_id)}`,
  ].join('')

const loginOf = (acr: unknown, max_age: unknown): string =>
  [
    'a login',
    ...(acr == null ? [] : [`with acr ${text(acr)}`]),
    ...(max_age == null ? [] : [`at most ${text(max_age)} s ago`]),
  ].join(' ')

const WORDS: { [Code in (Reason | ConditionReason)['code']]: (reason: Answered) => string } = {
  role_grants: (reason) => `the role ${text(reason.role)} grants ${text(reason.pattern)}${byWhich(reason)}.`,
  key_grants: ({ pattern }) => `the API key was given ${text(pattern)}.`,
  no_role_grants: (reason) => `nothing that is held grants it, or what does excludes it.${undecidedPolicies(reason)}`,
  permitted_by_policy: (reason) => `the policy ${text(reason.policy_key)} permits it.`,
  forbidden_by_policy: (reason) =>
    reason.detail === undefined
      ? `the policy ${text(reason.policy_key)} forbids it.`
      : `the policy ${text(reason.policy_key)} forbids it, because it cannot be decided: ${text(reason.detail)}.`,
  not_a_member: () => 'there is no such member of the tenant.',
  membership_suspended: () => 'the membership is suspended.',
  membership_expired: ({ expires_at }) => `the membership ended at ${text(expires_at)}.`,
  api_key_expired: () => 'the API key has expired.',
  tenant_not_found: () => 'there is no such tenant.',
  tenant_suspended: () => 'the tenant is suspended.',
  tenant_archived: () => 'the tenant is archived.',
  tenant_deletion_scheduled: () => 'the tenant is about to be deleted.',
  tenant_mismatch: () => "this is not the credential's tenant.",
  step_up_required: ({ acr, max_age }) => `it is granted, and needs ${loginOf(acr, max_age)}.`,
  permission_malformed: () => 'this is a pattern, and a permission is asked for by its name.',
}

const undecidedPolicies = ({ policy_errors }: Answered): string =>
  Array.isArray(policy_errors)
    ? policy_errors
        .map(({ policy_key, detail }) => ` The policy ${text(policy_key)} cannot be decided: ${text(detail)}.`)
        .join('')
    : ''

/** A newer service may have other reasons: what it says is shown as it came. */
const wordsOf = (reason: Answered): string =>
  Object.hasOwn(WORDS, reason.code) ? WORDS[reason.code as keyof typeof WORDS](reason) : text(JSON.stringify(reason))
