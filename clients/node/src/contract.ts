// The contract's types, generated from openapi.yaml. Types only: this entry runs nothing.

import type { components, operations, paths } from './contract.gen.ts'

export type { components, operations, paths }

/**
 * The named bodies of the contract.
 *
 * @example
 * const body: Schemas['TenantCreate'] = { name: 'Acme' }
 */
export type Schemas = components['schemas']
