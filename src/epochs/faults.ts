// Why a service does not start on a database that is elsewhere than where its epoch began. What was lost, if anything, only
// people know.
import type { Epoch } from './queries.ts'
import type { Failover } from './watch.ts'

const WHAT_MOVED = {
  cluster: 'it was restored into another cluster or database',
  timeline: 'it was recovered to a point in time, or a standby was promoted',
}

/** Undefined where there is nothing to ask: a new epoch without any older token is right after either. */
export const epochFault = ({ moved, number }: Epoch, failover?: Failover): string | undefined => {
  if (moved === null || (moved === 'timeline' && failover === 'asynchronous')) return undefined
  return `the database is not where its epoch ${number} began: ${WHAT_MOVED[moved]}; run \`tenantry after-restore\`, or \`tenantry after-restore --nothing-lost\` if every acknowledged commit is there`
}
