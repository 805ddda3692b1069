import t from 'tap'
import { fieldsOf, printable, tableOf } from '../../src/cli/output.ts'
import { readAll } from '../../src/cli/pages.ts'
import { linesOf } from '../../src/cli/token-words.ts'

t.test('what could redraw a terminal is shown instead of sent', async (t) => {
  t.equal(printable('a\u001b[2Jb\u202e\u009b'), 'a\\u001b[2Jb\\u202e\\u009b')
  t.same(fieldsOf({ name: 'a\nb', of: null }), ['name  a\\u000ab', 'of    -'])
})

t.test('columns are aligned, and what is not there is a dash', async (t) => {
  const items = [
    { slug: 'acme', roles: ['owner', 'admin'] },
    { slug: 'x', roles: [] },
  ]
  t.same(tableOf(items, ['slug', 'roles']), ['SLUG  ROLES', 'acme  owner,admin', 'x     -'])
  t.same(tableOf([], ['slug']), ['SLUG'])
})

t.test('a limit asks for no more than it needs', async (t) => {
  const asked: number[] = []
  const page = async ({ limit }: { limit: number }) => {
    asked.push(limit)
    return { data: Array.from({ length: limit }, () => 'item'), next_cursor: 'more' }
  }
  t.equal((await readAll(450, page)).data.length, 450)
  t.same(asked, [200, 200, 50])
})

t.test("a token's times stand in words, and nonsense stands as it is", async (t) => {
  const now = new Date('2026-03-01T12:00:00.500Z')
  const inspection = {
    ...{ valid: false, reason: 'expired', detail: 'The token has expired.' },
    ...{ issuer: 'http://i', audience: 'a', audience_given: true, header: null },
    claims: { exp: 1772366400, iat: 1772193600, nbf: 1e300 },
  }
  t.match(
    linesOf(inspection, now).join('\n'),
    /exp +2026-03-01T12:00:00.000Z \(0 seconds ago\)[\s\S]*2 days ago[\s\S]*nbf +1e\+300/,
  )
})
