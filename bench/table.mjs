// Medians and their spread, as a table for people.

const quantile = (sorted, at) => {
  const place = (sorted.length - 1) * at
  const [low, high] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]]
  return low + (high - low) * (place - Math.floor(place))
}

export const summary = (values) => {
  const sorted = [...values].sort((a, b) => a - b)
  return { median: quantile(sorted, 0.5), from: quantile(sorted, 0.25), to: quantile(sorted, 0.75) }
}

/** What half and 99 of a hundred do not exceed, and the most. */
export const quantilesOf = (values) => {
  const sorted = [...values].sort((a, b) => a - b)
  return { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99), max: sorted.at(-1), count: sorted.length }
}

/** One comparison: what is ours, beside what, and both sides' results round by round. */
export const row = (ours, theirs, ourResults, theirResults) => {
  const ratio = summary(ourResults.map(({ rate }, round) => rate / theirResults[round].rate))
  const rate = (results) => summary(results.map(({ rate }) => rate)).median
  const sides = { our_rate: rate(ourResults), their_rate: rate(theirResults) }
  return { ours, theirs, ratio, ...sides, our_cpu: cpuOf(ourResults), their_cpu: cpuOf(theirResults) }
}

const cpuOf = (results) =>
  results[0].cpu_us === undefined ? '' : `${Math.round(summary(results.map(({ cpu_us }) => cpu_us)).median)} µs`

const perSecond = (rate) => `${Math.round(rate).toLocaleString('en')}/s`
const inMs = (milliseconds) => `${Math.round(milliseconds)} ms`
const percent = (share) => (share === undefined ? '' : `${(share * 100).toFixed(1)} %`)

export const aligned = (...lines) => {
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)))
  const line = (texts) =>
    texts
      .map((text, column) => text.padEnd(widths[column]))
      .join('  ')
      .trimEnd()
  const [head, ...rest] = lines
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rest.map(line)].join('\n')
}

export const table = (rows) =>
  aligned(
    ['what', 'beside', 'ratio', '', 'ours', 'theirs', 'our CPU', 'their CPU'],
    ...rows.map(({ ours, theirs, ratio, our_rate, their_rate, our_cpu, their_cpu }) => [
      ...[ours, theirs, ratio.median.toFixed(2), `[${ratio.from.toFixed(2)}–${ratio.to.toFixed(2)}]`],
      ...[perSecond(our_rate), perSecond(their_rate), our_cpu, their_cpu],
    ]),
  )

/** What `propagation` answers, one line each. */
export const changeTable = (changes) =>
  aligned(
    ['a change until it is refused', 'p50', 'p99', 'most', 'of', 'the change itself', 'idle', 'without streams'],
    ...changes.map(({ replicas, streams, refused, made, idle, alone }) => [
      `${replicas} ${replicas === 1 ? 'replica' : 'replicas'}, ${streams.toLocaleString('en')} streams`,
      ...[inMs(refused.p50), inMs(refused.p99), inMs(refused.max), String(refused.count), inMs(made.p50)],
      ...[percent(idle), percent(alone)],
    ]),
  )

const inMb = (bytes) => `${Math.round(bytes / 1e6)} MB`

/** What `footprint` answers, one line each. */
export const footprintTable = (sides) =>
  aligned(
    ['a check', 'ready', 'CPU until then', 'at rest', 'under load', 'rate', 'CPU', 'per 100 MB', 'a core, per 100 MB'],
    ...sides.map(({ name, ready_ms, ready_cpu_ms, resting, bytes, rate, cpu_us, per_100_mb, core_per_100_mb }) => [
      ...[name, inMs(ready_ms), inMs(ready_cpu_ms), inMb(resting), inMb(bytes), perSecond(rate)],
      ...[`${Math.round(cpu_us)} µs`, perSecond(per_100_mb), perSecond(core_per_100_mb)],
    ]),
  )

/** What `replicasUnderLoad` answers, one line each. */
export const replicaTable = (lines) =>
  aligned(
    ['a check', 'replicas', 'CPU of a replica', "PostgreSQL's", "PostgreSQL's, idle"],
    ...lines.map(({ name, replicas, cpu_us, postgres_us, idle }) => [
      ...[name, String(replicas), `${Math.round(cpu_us)} µs`, `${Math.round(postgres_us)} µs`, percent(idle)],
    ]),
  )
