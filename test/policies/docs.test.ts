// The examples of docs/policies.md, as they stand there.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { aService, made } from '../support/service.ts'

interface Example {
  now?: string
  members: Record<string, { roles: string[]; properties?: Record<string, unknown> }>
  resources?: Record<string, object>
  questions: { user: string; permission: string; resource: string; context?: object; now?: string; decision: boolean }[]
}

const text = readFileSync(new URL('../../docs/policies.md', import.meta.url), 'utf8')
const examples = [...text.matchAll(/^### ([^\n]+)$[^#]*?^```cedar\n(.*?)^```$[^#]*?^```yaml\n(.*?)^```$/gms)]

const s = await aService(t)

t.test('there are three', async (t) => t.equal(examples.length, 3))

for (const [, title = '', policy = '', yaml = ''] of examples) {
  t.test(title, async (t) => {
    const { now, members, resources = {}, questions }: Example = parse(yaml)
    const { id: tenant_id } = await s.aTenant()
    for (const [user_id, member] of Object.entries(members)) await s.aMembership(tenant_id, { user_id, ...member })
    for (const [path, properties] of Object.entries(resources)) {
      made(await s.root.put(`/resources/${path}?tenant_id=${tenant_id}`, { properties }))
    }
    await s.aPolicy({ tenant_id, text: policy })
    for (const question of questions) {
      s.time.now = new Date(question.now ?? now ?? s.now)
      const [type, id] = question.resource.split('/')
      const answer = await s.root.post('/access/v1/evaluation', {
        subject: { type: 'user', id: question.user },
        action: { name: question.permission.split(':')[1] },
        ...{ resource: { type, id }, context: { tenant_id, explain: true, ...question.context } },
      })
      t.equal(made(answer).decision, question.decision, JSON.stringify([question, answer.body.context]))
    }
  })
}
