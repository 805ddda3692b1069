// What an access file may look like: made from openapi.yaml, so that the file and the API never differ in what they take.
import { readContract } from '../../http/contract.ts'
import { dereference, type Schema } from '../../http/schemas.ts'

const listOf = (items: Schema, maxItems: number): Schema => ({ type: 'array', maxItems, items })

/** The schema of the body that creates one, but for the tenant: everything here is the platform's. */
const ofPlatform = (schemas: Record<string, Schema>, name: string): Schema => {
  const schema = schemas[name] as Schema & { properties: Schema }
  const { tenant_id: _, ...properties } = schema.properties
  return { ...schema, properties }
}

export const accessSchema = (): Schema => {
  const contract = readContract(new URL('../../../openapi.yaml', import.meta.url))
  const { components } = dereference(contract, contract) as { components: { schemas: Record<string, Schema> } }
  const { schemas } = components
  return {
    type: 'object',
    additionalProperties: false,
    required: ['version'],
    properties: {
      version: { type: 'integer', enum: [1] },
      catalogue: schemas.CatalogueReplace,
      roles: listOf(ofPlatform(schemas, 'RoleCreate'), 104), // 100, and the built-in ones
      role_sets: listOf(ofPlatform(schemas, 'RoleSetCreate'), 100),
      issuers: listOf(ofPlatform(schemas, 'IssuerCreate'), 1_000),
      api_keys: listOf(ofPlatform(schemas, 'ApiKeyCreate'), 1_000),
    },
  }
}
