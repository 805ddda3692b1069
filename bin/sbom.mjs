// node bin/sbom.mjs > sbom.cdx.json
//
// What runs in production, as a CycloneDX 1.6 bill of materials made of package-lock.json: every package with its licence, the
// hash that npm checks it against, and what it depends on. It is validated against CycloneDX's own schema before it is
// printed. (`npm sbom --omit dev` leaves out packages that something in development needs as well.)

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Spec, Validation } from '@cyclonedx/cyclonedx-library'

const VERSION = Spec.Version.v1dot6
const read = (name) => JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), 'utf8'))

const { packages } = read('package-lock.json')

/** Where npm would find a dependency of the package at `path`: nearest first. */
const findFrom = (path, name) => {
  for (let place = path; ; place = place.slice(0, Math.max(0, place.lastIndexOf('/node_modules/')))) {
    const candidate = place === '' ? `node_modules/${name}` : `${place}/node_modules/${name}`
    if (packages[candidate]) return packages[candidate].link ? packages[candidate].resolved : candidate
    if (place === '') return undefined
  }
}

const nameOf = (path) => packages[path].name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)

const purlOf = (path) => `pkg:npm/${nameOf(path).replace('@', '%40')}@${packages[path].version}`

/** Two copies of one version may have different neighbours, so a reference is a place and not a name. */
const refOf = (path) => (path === '' ? purlOf(path) : `${purlOf(path)}#${path}`)

const componentOf = (path) => {
  const { version, license, integrity } = packages[path]
  const isExpression = / (OR|AND|WITH) /.test(license ?? '')
  const [group, name] = nameOf(path).startsWith('@') ? nameOf(path).split('/') : [undefined, nameOf(path)]
  return {
    type: path === '' ? 'application' : 'library',
    'bom-ref': refOf(path),
    ...(group ? { group } : {}),
    ...{ name, version, purl: purlOf(path) },
    ...(license ? { licenses: isExpression ? [{ expression: license }] : [{ license: { id: license } }] } : {}),
    ...(integrity ? { hashes: [hashOf(integrity)] } : {}),
  }
}

const hashOf = (integrity) => ({
  alg: 'SHA-512',
  content: Buffer.from(integrity.slice('sha512-'.length), 'base64').toString('hex'),
})

const dependenciesOf = (path) => {
  const { dependencies = {}, optionalDependencies = {}, peerDependencies = {} } = packages[path]
  const names = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })
  return names.map((name) => findFrom(path, name)).filter((found) => found !== undefined && isShipped(found))
}

const isShipped = (path) => !packages[path].dev && !packages[path].devOptional

const reachable = () => {
  const found = new Set([''])
  for (const path of found) for (const next of dependenciesOf(path)) found.add(next)
  return [...found].sort()
}

/** The same lock makes the same document. */
const serialNumber = () => {
  const hash = createHash('sha256').update(JSON.stringify(packages)).digest('hex')
  return `urn:uuid:${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`
}

export const makeBom = () => {
  const paths = reachable()
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    ...{ bomFormat: 'CycloneDX', specVersion: VERSION, serialNumber: serialNumber(), version: 1 },
    metadata: { component: componentOf('') },
    components: paths.filter((path) => path !== '').map(componentOf),
    dependencies: paths.map((path) => ({
      ref: refOf(path),
      dependsOn: [...new Set(dependenciesOf(path).map(refOf))].sort(),
    })),
  }
}

export const validated = async (bom) => {
  const text = `${JSON.stringify(bom, null, 2)}\n`
  const problem = await new Validation.JsonStrictValidator(VERSION).validate(text)
  if (problem) throw new Error(`this is no CycloneDX ${VERSION}: ${JSON.stringify(problem)}`)
  return text
}

if (import.meta.filename === process.argv[1]) process.stdout.write(await validated(makeBom()))
