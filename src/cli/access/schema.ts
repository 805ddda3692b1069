// What an access file may look like: made from openapi.yaml, so that the file and the API never differ in what they take.
import { dereference, type Schema } from '../../http/schemas.ts'
import { CONTRACT } from '../../http/shipped-contract.ts'

const listOf = (items: Schema, maxItems: number): Schema => ({ type: 'array', maxItems, items })

/** The schema of the body that creates one, but for the tenant: everything here is the platform's. */
const withoutTenant = (schema: Schema): Schema => {
  const { tenant_id: _, ...properties } = schema.properties as Schema
  return { ...schema, properties }
}

export const accessSchema = (): Schema => {
  const ofContract = (name: string): Schema => dereference(CONTRACT, { $ref: `#/components/schemas/${name}` }) as Schema // the contract has schemas there
  return {
    type: 'object',
    additionalProperties: false,
    required: ['version'],
    properties: {
      version: { type: 'integer', enum: [1] },
      catalogue: ofContract('CatalogueReplace'),
      roles: listOf(withoutTenant(ofContract('RoleCreate')), 104), // 100, and the built-in ones
      role_sets: listOf(ofContract('RoleSetCreate'), 100),
      policies: listOf(withoutTenant(ofContract('PolicyCreate')), 100),
      issuers: listOf(withoutTenant(ofContract('IssuerCreate')), 1_000),
      api_keys: listOf(withoutTenant(ofContract('ApiKeyCreate')), 1_000),
    },
  }
}
