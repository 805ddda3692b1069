// Pod Security `restricted`, as https://kubernetes.io/docs/concepts/security/pod-security-standards/ has it.
import { type Container, containersOf, type PodSpec } from './objects.ts'

const VOLUMES = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
]
const SECCOMP = ['RuntimeDefault', 'Localhost']

/** What in a pod the standard does not let pass. */
export const violationsOf = (pod: PodSpec): string[] => [
  ...(pod.hostNetwork || pod.hostPID || pod.hostIPC ? ['shares a namespace of the host'] : []),
  ...(pod.volumes ?? [])
    .filter((volume) => !Object.keys(volume).some((key) => VOLUMES.includes(key)))
    .map((volume) => `volume ${volume.name} is of a kind that is not allowed`),
  ...containersOf(pod).flatMap((container) => violationsIn(container, pod).map((text) => `${container.name} ${text}`)),
]

const violationsIn = (container: Container, pod: PodSpec): string[] => {
  const { allowPrivilegeEscalation, privileged, capabilities = {}, ...own } = container.securityContext ?? {}
  const { runAsNonRoot, runAsUser, seccompProfile } = { ...pod.securityContext, ...own }
  const rules: [boolean, string][] = [
    [allowPrivilegeEscalation === false, 'may gain privileges'],
    [privileged !== true, 'is privileged'],
    [capabilities.drop?.includes('ALL') === true, 'keeps capabilities'],
    [(capabilities.add ?? []).every((added) => added === 'NET_BIND_SERVICE'), 'adds capabilities'],
    [runAsNonRoot === true && runAsUser !== 0, 'may run as root'],
    [SECCOMP.includes(seccompProfile?.type ?? ''), 'has no seccomp profile'],
    [(container.ports ?? []).every(({ hostPort = 0 }) => hostPort === 0), 'takes a port of the host'],
  ]
  return rules.flatMap(([holds, text]) => (holds ? [] : [text]))
}
