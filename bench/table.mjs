// Medians and their spread, as a table for people.

const quantile = (sorted, at) => {
  const place = (sorted.length - 1) * at
  const [low, high] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]]
  return low + (high - low) * (place - Math.floor(place))
}

const summary = (values) => {
  const sorted = [...values].sort((a, b) => a - b)
  return { median: quantile(sorted, 0.5), from: quantile(sorted, 0.25), to: quantile(sorted, 0.75) }
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
const HEAD = ['what', 'beside', 'ratio', '', 'ours', 'theirs', 'our CPU', 'their CPU']

export const table = (rows) => {
  const cells = rows.map(({ ours, theirs, ratio, our_rate, their_rate, our_cpu, their_cpu }) => [
    ...[ours, theirs, ratio.median.toFixed(2), `[${ratio.from.toFixed(2)}–${ratio.to.toFixed(2)}]`],
    ...[perSecond(our_rate), perSecond(their_rate), our_cpu, their_cpu],
  ])
  const widths = HEAD.map((_, column) => Math.max(...[HEAD, ...cells].map((line) => line[column].length)))
  const line = (texts) =>
    texts
      .map((text, column) => text.padEnd(widths[column]))
      .join('  ')
      .trimEnd()
  return [line(HEAD), line(widths.map((width) => '-'.repeat(width))), ...cells.map(line)].join('\n')
}
