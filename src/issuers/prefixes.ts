// What the user ids of a tenant's own issuer begin with. No shared issuer's may: so no tenant speaks for another's users.

export const ASSIGNED_PREFIX = 'idp:'

export const assignedPrefix = (issuer_id: string): string => `${ASSIGNED_PREFIX}${issuer_id}:`
