import t from 'tap'
import { newsOf, resumeFrom } from '../../src/revocations/wire.ts'

const [ACME, GLOBEX, OTHER] = ['acme', 'globex', 'other'] // as far as these rules go, an id is any text
const entry = (history: string) => ({ history, target: 'tenant', rev: 2, expires_at: '2026-11-24T00:00:00.000Z' })
const place = { system_identifier: null, database_oid: 1, timeline: null }
const batchOf = (...histories: string[]) => ({
  ...{ snapshot: '1:1:', platform_revision: 1, entries: histories.map(entry) },
  epoch: { number: 3, restored: 2, moved: null, place },
})
const saidIn = (bytes: Buffer): string[] =>
  JSON.parse(bytes.toString().split('data: ')[1] ?? '').entries.map(({ history }: { history: string }) => history)

t.test('each tenant is told of itself and the platform, whoever is told first', async (t) => {
  const histories = [ACME, GLOBEX, 'platform']
  const told: [string | undefined, string[]][] = [
    [undefined, histories],
    [ACME, [ACME, 'platform']],
    [GLOBEX, [GLOBEX, 'platform']],
    [OTHER, ['platform']],
  ]
  for (const order of [told, [...told].reverse()]) {
    const batch = batchOf(...histories)
    for (const [tenant_id, expected] of order) {
      const { entries, bytes } = newsOf(batch, tenant_id)
      t.same(
        entries.map(({ history }) => history),
        expected,
      )
      t.same(saidIn(bytes), expected)
    }
  }
})

t.test('all who follow the same share its bytes, and of two batches none is the other', async (t) => {
  const [one, two] = [batchOf(ACME), batchOf(ACME)]
  t.equal(newsOf(one, ACME).bytes, newsOf(one, ACME).bytes)
  t.equal(newsOf(one, undefined).bytes, newsOf(one, undefined).bytes)
  t.not(newsOf(one, ACME).bytes, newsOf(two, ACME).bytes)
})

t.test('what is nothing new for a tenant is a sign of life', async (t) => {
  const [quiet, busy] = [batchOf(), batchOf(ACME)]
  t.match(newsOf(quiet, GLOBEX).bytes.toString(), /^event: alive\nid: 3\/1:1:\ndata: {"entries":\[\],"epoch":2}\n\n$/)
  t.equal(newsOf(quiet, GLOBEX).bytes, newsOf(quiet, ACME).bytes, 'one for everybody')
  t.match(newsOf(busy, GLOBEX).bytes.toString(), /^event: alive/)
  t.match(newsOf(busy, ACME).bytes.toString(), /^event: revocations/)
})

t.test('where a stream resumes has its epoch with it; what has none starts over', async (t) => {
  t.same(resumeFrom('3/10:20:11,12'), { epoch: 3, snapshot: '10:20:11,12' })
  for (const id of [undefined, '', '1:1:', '3/', '3/9:3:', '/1:1:', '-1/1:1:', '3/1:1:/'])
    t.equal(resumeFrom(id), undefined, String(id))
})
