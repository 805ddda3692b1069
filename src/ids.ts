// Ids are UUIDv7 made by the service: in order of creation, so pages follow from them.
import { v7 } from 'uuid'

export const newId = (): string => v7()

/** In lower case, as we write them: ids are compared as text. */
const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/

export const isId = (value: unknown): value is string => typeof value === 'string' && UUID.test(value)
