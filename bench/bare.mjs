// The other side of a check: Fastify and nothing else, with the schemas of the same contract, on the same request.
import Fastify from 'fastify'
import { operationsOf } from '../dist/http/contract.js'
import { compileValidator } from '../dist/http/schemas.js'
import { readContract } from '../dist/http/written-contract.js'
import { answerWith } from './processes.mjs'

const contract = readContract(new URL('../openapi.yaml', import.meta.url))
const { url, method, schema } = operationsOf(contract).find(({ operation_id }) => operation_id === 'evaluateAccess')

const app = Fastify()
app.setValidatorCompiler(compileValidator)
app.route({ url, method, schema, handler: async () => ({ decision: true }) })
answerWith(await app.listen({ host: '127.0.0.1', port: 0 }), () => 'nothing else to say')
