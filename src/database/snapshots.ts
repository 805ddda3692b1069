// PostgreSQL's snapshots as text (`xmin:xmax:running`), when they come back from a client that kept one as a cursor.

const SNAPSHOT = /^(\d{1,19}):(\d{1,19}):((?:\d{1,19}(?:,\d{1,19})*)?)$/

/** As PostgreSQL demands of a pg_snapshot: xmin <= each running transaction, in order, < xmax. */
export const isSnapshot = (text: string): boolean => {
  const [, xmin, xmax, running = ''] = SNAPSHOT.exec(text) ?? []
  if (xmin === undefined || xmax === undefined || BigInt(xmin) < 1n || BigInt(xmin) > BigInt(xmax)) return false
  const xids = running === '' ? [] : running.split(',')
  return xids.every((xid, index) => {
    const previous = xids[index - 1]
    const isInOrder = previous === undefined || BigInt(xid) > BigInt(previous)
    return isInOrder && BigInt(xid) >= BigInt(xmin) && BigInt(xid) < BigInt(xmax)
  })
}
