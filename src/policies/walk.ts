// Walks a policy's conditions in their JSON form. Pure.
import type { PolicyJson } from './cedar.ts'

type Node = { readonly [key: string]: unknown }

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Every object in it, the outer ones first. */
function* nodesIn(value: unknown): Generator<Node> {
  if (Array.isArray(value)) for (const each of value) yield* nodesIn(each)
  if (!isNode(value)) return
  yield value
  for (const inner of Object.values(value)) yield* nodesIn(inner)
}

const variableOf = (value: unknown): string | undefined =>
  isNode(value) && typeof value.Var === 'string' ? value.Var : undefined

export interface Access {
  variable: string
  attribute: string
}

/** `principal.roles`, `resource has properties.amount`: the first attribute of a variable. */
const accessIn = (node: Node): Access | undefined => {
  for (const operation of [node['.'], node.has]) {
    if (!isNode(operation)) continue
    const variable = variableOf(operation.left)
    const [attribute] = [operation.attr].flat()
    if (variable !== undefined && typeof attribute === 'string') return { variable, attribute }
  }
  return undefined
}

export const accessesIn = ({ conditions }: PolicyJson): Access[] =>
  [...nodesIn(conditions)].map(accessIn).filter((access) => access !== undefined)

/** How often a variable stands there, as itself or for an attribute of it. */
export const countVariable = ({ conditions }: PolicyJson, name: string): number =>
  [...nodesIn(conditions)].filter((node) => variableOf(node) === name).length

/** The types of entities that it names or asks for. */
export const entityTypesIn = ({ conditions }: PolicyJson): string[] =>
  [...nodesIn(conditions)].flatMap((node) => {
    const named = isNode(node.__entity) ? node.__entity.type : undefined
    const asked = isNode(node.is) ? node.is.entity_type : undefined
    return [named, asked].filter((type) => typeof type === 'string')
  })
