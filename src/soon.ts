// What is there already, or will be. What every request passes through makes no promise where there is nothing to wait for:
// each costs a turn of the queue, and what follows asynchronous context besides.

export type Soon<T> = T | Promise<T>

export const after = <T, R>(value: Soon<T>, then: (value: T) => Soon<R>): Soon<R> =>
  value instanceof Promise ? value.then(then) : then(value)
