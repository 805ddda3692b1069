/** The time, given from outside so that tests can say what it is. */
export type Clock = () => Date

/** Whether less than that has passed. A clock that was set back counts as time that has passed, or what is old would be new. */
export const isWithin = (duration_ms: number, since_ms: number, now_ms: number): boolean => {
  const elapsed_ms = now_ms - since_ms
  return elapsed_ms >= 0 && elapsed_ms < duration_ms
}
