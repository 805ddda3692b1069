// Preloaded into the process that is soaked, so that the service itself needs no hook: on SIGUSR2 it collects all garbage and says
// on standard error what is left.
import v8 from 'node:v8'
import vm from 'node:vm'

v8.setFlagsFromString('--expose-gc')
const collect = vm.runInNewContext('gc')

process.on('SIGUSR2', () => {
  for (let time = 0; time < 3; time++) collect()
  const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout' || name === 'Immediate').length
  process.stderr.write(`collected ${JSON.stringify({ heap: process.memoryUsage().heapUsed, timers })}\n`)
})
