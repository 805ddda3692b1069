// @ts-check
// The process: settings in, listening until it is told to stop.

import { buildInvoices } from './invoices.mjs'

const { TENANTRY_ISSUER: issuer = '', AUDIENCE: audience = '', PORT: port = '4000' } = process.env

const app = await buildInvoices({ issuer, audience })
const address = await app.listen({ host: '127.0.0.1', port: Number(port) })
console.log(`invoices at ${address} for tokens of ${issuer} with the audience ${audience}`)

for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => app.close())
