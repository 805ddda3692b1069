{{/* What the pods of service, migrations and test have in common. */}}

{{- define "tenantry.podSecurityContext" -}}
{{- $context := .Values.podSecurityContext -}}
{{- if .Values.openshift.enabled -}}
{{- $context = omit $context "runAsUser" "runAsGroup" "fsGroup" -}}
{{- end -}}
{{- toYaml $context -}}
{{- end -}}

{{- define "tenantry.securityContext" -}}
{{- $context := .Values.securityContext -}}
{{- if .Values.openshift.enabled -}}
{{- $context = omit $context "runAsUser" "runAsGroup" -}}
{{- end -}}
{{- toYaml $context -}}
{{- end -}}

{{- define "tenantry.imagePullSecrets" -}}
{{- with concat .Values.global.imagePullSecrets .Values.imagePullSecrets | uniq }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* A container of our image: (dict "root" $ "name" … "args" list "resources" map) */}}
{{- define "tenantry.container" -}}
name: {{ .name }}
image: {{ include "tenantry.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: {{ toJson .args }}
securityContext:
  {{- include "tenantry.securityContext" .root | nindent 2 }}
{{- with .resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "tenantry.volumes" -}}
- name: tmp
  emptyDir: { sizeLimit: {{ .Values.tmpSizeLimit }} }
{{- with .Values.database.tls.caSecret }}
- name: database-ca
  secret: { secretName: {{ . }}, items: [{ key: {{ $.Values.database.tls.caKey }}, path: ca.crt }] }
{{- end }}
{{- end -}}

{{- define "tenantry.volumeMounts" -}}
- { name: tmp, mountPath: /tmp }
{{- if .Values.database.tls.caSecret }}
- { name: database-ca, mountPath: /etc/tenantry/database-ca, readOnly: true }
{{- end }}
{{- end -}}

{{/* The one thing that cannot be left to Kubernetes: spread unless told how. */}}
{{- define "tenantry.topologySpread" -}}
{{- if .Values.topologySpreadConstraints -}}
{{- tpl (toYaml .Values.topologySpreadConstraints) . -}}
{{- else -}}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- topologyKey: {{ . }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  matchLabelKeys: [pod-template-hash]
  labelSelector:
    matchLabels:
      {{- include "tenantry.selectorLabels" (dict "root" $ "component" "server") | nindent 6 }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Three quarters of the memory limit, in MiB, for the heap of Node.js; the rest is buffers, code and stacks. */}}
{{- define "tenantry.nodeOptions" -}}
{{- $limit := dig "limits" "memory" "" .Values.resources | toString -}}
{{- if .Values.nodeOptions -}}
{{- .Values.nodeOptions -}}
{{- else if regexMatch "^[0-9]+Mi$" $limit -}}
{{- printf "--max-old-space-size=%d" (div (mul (trimSuffix "Mi" $limit | int) 3) 4) -}}
{{- else if regexMatch "^[0-9]+Gi$" $limit -}}
{{- printf "--max-old-space-size=%d" (div (mul (trimSuffix "Gi" $limit | int) 3072) 4) -}}
{{- end -}}
{{- end -}}
