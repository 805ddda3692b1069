// Who may tell what of the moment of a question. An API key asks for a service that enforces decisions: what it says of its
// user's login counts. A user's token speaks for its own user by its claims alone, and of nobody else's login.
import type { TokenClaims } from '@tenantry/client'
import type { components } from '@tenantry/client/contract'
import type { Principal } from '../http/principal.ts'
import { type Authentication, NOTHING_TOLD } from '../permissions/step-up.ts'
import { type Circumstances, NO_CIRCUMSTANCES } from './conditions.ts'

type Schemas = components['schemas']
type Context = Schemas['AccessContext']

/** What a request tells, of whatever it leaves open too. */
interface Telling {
  subject: { type: string; id: string; properties?: { [name: string]: unknown } }
  action?: { properties?: { [name: string]: unknown } } | undefined
  resource: { properties?: { [name: string]: unknown } }
  context?: Context | undefined
}

export const circumstancesOf = (
  principal: Principal,
  { subject, action, resource, context }: Telling,
): Circumstances => {
  const authentication = authenticationOf(principal, subject, context)
  const told = [context, subject.properties, action?.properties, resource.properties]
  if (told.every((each) => each === undefined))
    return authentication === NOTHING_TOLD ? NO_CIRCUMSTANCES : { authentication }
  const [, subject_properties, action_properties, resource_properties] = told
  return { authentication, context, subject_properties, action_properties, resource_properties }
}

const authenticationOf = (
  principal: Principal,
  { type, id }: { type: string; id: string },
  context: Context | undefined,
): Authentication => {
  if (principal.kind === 'api_key') return context === undefined ? NOTHING_TOLD : authenticationIn(context)
  return type === 'user' && id === principal.user_id ? authenticationIn(principal.token) : NOTHING_TOLD
}

/** In a context or a token, which call it the same. */
export const authenticationIn = ({
  acr,
  auth_time,
}: Pick<TokenClaims, 'acr' | 'auth_time'> | Context): Authentication =>
  acr == null && auth_time == null ? NOTHING_TOLD : { acr: acr ?? undefined, auth_time: auth_time ?? undefined }
