// Ids are UUIDv7 made by the service: in order of creation, so pages follow from them.
import { v7 } from 'uuid'

export const newId = (): string => v7()
