// values.schema.json from values.yaml: the type of every default, and what its comments say between two `# @schema` (the
// form of dadav/helm-schema). An object is closed unless its default is `{}` or its comment speaks of additionalProperties:
// what may stand in those is for Kubernetes to say.
import { isMap, isScalar, parse, parseDocument, type YAMLMap } from 'yaml'

type Schema = Record<string, unknown>

const COMMENTED = /^ ?@schema\n(.*?)\n ?@schema$/ms

export const schemaOf = (values: string): Schema => ({
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Values of the chart tenantry',
  ...shapeOf(parseDocument(values).contents),
})

const shapeOf = (node: unknown): Schema => {
  if (isMap(node)) return node.items.length === 0 ? { type: 'object' } : closed(node)
  if (isScalar(node)) return { type: Number.isInteger(node.value) ? 'integer' : typeof node.value }
  return { type: 'array' }
}

const closed = (map: YAMLMap): Schema => {
  const properties: Schema = {}
  for (const [index, { key, value }] of map.items.entries()) {
    if (!isScalar(key)) throw new TypeError('a key of values.yaml is no text')
    // The comment above a map's first key belongs to the map.
    properties[String(key.value)] = propertyOf(value, (key.commentBefore ?? (index === 0 && map.commentBefore)) || '')
  }
  return { type: 'object', additionalProperties: false, properties }
}

const propertyOf = (node: unknown, comment: string): Schema => {
  const said: Schema = parse(COMMENTED.exec(comment)?.[1]?.replaceAll(/^ /gm, '') ?? '') ?? {}
  const shape = 'additionalProperties' in said ? { type: 'object' } : shapeOf(node)
  return { ...descriptionOf(comment), ...shape, ...said }
}

const descriptionOf = (comment: string): Schema => {
  const [, description] = comment.replace(COMMENTED, '').split(/^ ?-- /m)
  return description === undefined ? {} : { description: description.replaceAll(/\s+/g, ' ').trim() }
}
