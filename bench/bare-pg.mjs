// The other side of a whole service: what somebody writes by hand in ten minutes, with Fastify and pg and nothing else. It takes
// the same question and answers after one prepared select. No isolation, no roles, no memory, no log, no metrics.
import Fastify from 'fastify'
import pg from 'pg'
import { answerWith } from './processes.mjs'

const { owner_url } = JSON.parse(process.argv[2])
const pool = new pg.Pool({ connectionString: owner_url, max: 10 }) // as many as the service has
const TEXT = 'select status from tenantry.memberships where tenant_id = $1 and user_id = $2'

const texts = (...names) => ({
  type: 'object',
  required: names,
  properties: Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
})
const question = { subject: texts('type', 'id'), action: texts('name'), resource: texts('type', 'id') }
const schema = {
  body: {
    type: 'object',
    required: Object.keys(question),
    properties: { ...question, context: texts('tenant_id') },
  },
  response: { 200: { type: 'object', properties: { decision: { type: 'boolean' } } } },
}

const app = Fastify()
app.get('/readyz', async () => ({ ok: (await pool.query('select 1')).rowCount === 1 }))
app.post('/access/v1/evaluation', { schema }, async ({ body }) => {
  const values = [body.context.tenant_id, body.subject.id]
  const { rows } = await pool.query({ name: 'membership', text: TEXT, values })
  return { decision: rows[0]?.status === 'active' }
})
answerWith(await app.listen({ host: '127.0.0.1', port: 0 }), () => 'nothing else to say')
