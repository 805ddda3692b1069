// The objects of a rendered chart, and where pods are found in them. Read from the golden files, which `generate:helm
// --check` holds to be what the chart renders.
import { readFileSync } from 'node:fs'
import { parseAllDocuments } from 'yaml'
import { GOLDEN, VALUE_SETS } from './render.ts'

export interface Container {
  name: string
  image: string
  args?: string[]
  env?: { name: string; value?: string; valueFrom?: { secretKeyRef?: { name: string; key: string } } }[]
  envFrom?: { configMapRef?: { name: string }; secretRef?: { name: string } }[]
  ports?: { name: string; containerPort: number; hostPort?: number }[]
  securityContext?: SecurityContext & {
    allowPrivilegeEscalation?: boolean
    privileged?: boolean
    readOnlyRootFilesystem?: boolean
    capabilities?: { drop?: string[]; add?: string[] }
  }
  resources?: { requests?: Record<string, string>; limits?: Record<string, string> }
  livenessProbe?: Probe
  readinessProbe?: Probe
  startupProbe?: Probe
}

interface Probe {
  httpGet: { path: string; port: string }
}

interface SecurityContext {
  runAsNonRoot?: boolean
  runAsUser?: number
  runAsGroup?: number
  fsGroup?: number
  seccompProfile?: { type: string }
}

export interface PodSpec {
  serviceAccountName: string
  automountServiceAccountToken?: boolean
  hostNetwork?: boolean
  hostPID?: boolean
  hostIPC?: boolean
  securityContext?: SecurityContext
  initContainers?: Container[]
  containers: Container[]
  volumes?: Record<string, unknown>[]
}

type Labels = Record<string, string>

interface Metadata {
  name: string
  labels: Labels
  annotations?: Labels
}

export interface KubernetesObject {
  kind: string
  metadata: Metadata
  data?: Record<string, string>
  stringData?: Record<string, string>
  spec: PodSpec & {
    selector?: Labels & { matchLabels?: Labels }
    podSelector?: { matchLabels: Labels }
    template?: { metadata: Metadata; spec: PodSpec }
    rules?: { http: { paths: { path: string }[] } }[]
    groups?: { rules: { alert: string; expr: string; annotations: { runbook: string } }[] }[]
    strategy?: { rollingUpdate: { maxUnavailable: number } }
  }
}

export const objectsOf = (name: string): KubernetesObject[] =>
  parseAllDocuments(readFileSync(`${GOLDEN}/${name}.yaml`, 'utf8'))
    .map((document): KubernetesObject | null => document.toJS())
    .filter((object) => object !== null)

export const NAMES = [...VALUE_SETS.keys()]

/** Each pod that the objects would make, with its labels. */
export const podsOf = (objects: KubernetesObject[]): { name: string; labels: Labels; spec: PodSpec }[] =>
  objects.flatMap(({ kind, metadata, spec }) => {
    if (kind === 'Pod') return [{ name: metadata.name, labels: metadata.labels, spec }]
    return spec?.template
      ? [{ name: metadata.name, labels: spec.template.metadata.labels, spec: spec.template.spec }]
      : []
  })

export const containersOf = ({ initContainers = [], containers }: PodSpec): Container[] => [
  ...initContainers,
  ...containers,
]

export const oneOf = (objects: KubernetesObject[], kind: string): KubernetesObject => {
  const found = objects.filter((object) => object.kind === kind)
  if (found.length !== 1 || !found[0]) throw new Error(`there are ${found.length} ${kind}`)
  return found[0]
}
