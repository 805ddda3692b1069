{{/* The pod that serves. */}}
{{- define "tenantry.podSpec" -}}
{{- $v := .Values -}}
serviceAccountName: {{ include "tenantry.serviceAccountName" . }}
automountServiceAccountToken: {{ $v.serviceAccount.automount }}
enableServiceLinks: false
terminationGracePeriodSeconds: {{ $v.terminationGracePeriodSeconds }}
securityContext:
  {{- include "tenantry.podSecurityContext" . | nindent 2 }}
{{- include "tenantry.imagePullSecrets" . }}
{{- include "tenantry.placement" . }}
topologySpreadConstraints:
  {{- include "tenantry.topologySpread" . | trim | nindent 2 }}
{{- if or (eq $v.migrations.mode "initContainer") $v.extraInitContainers }}
initContainers:
  {{- with $v.extraInitContainers }}
  {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
  {{- if eq $v.migrations.mode "initContainer" }}
  {{- with $v.migrations.initContainers }}
  {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
  - {{ include "tenantry.migrationsContainer" . | nindent 4 | trim }}
  {{- end }}
{{- end }}
containers:
  - {{ include "tenantry.serverContainer" . | nindent 4 | trim }}
  {{- with $v.extraContainers }}
  {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
volumes:
  {{- include "tenantry.volumes" . | nindent 2 }}
  {{- with $v.extraVolumes }}
  {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
  {{- if eq $v.migrations.mode "initContainer" }}
  {{- with $v.migrations.extraVolumes }}
  {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
  {{- end }}
{{- end -}}

{{/* Settings that Kubernetes has its own defaults for: absent unless given. */}}
{{- define "tenantry.placement" -}}
{{- range $key := list "priorityClassName" "runtimeClassName" "schedulerName" "dnsPolicy" }}
{{- with get $.Values $key }}
{{ $key }}: {{ . }}
{{- end }}
{{- end }}
{{- range $key := list "dnsConfig" "hostAliases" "affinity" "nodeSelector" "tolerations" }}
{{- with get $.Values $key }}
{{ $key }}:
  {{- tpl (toYaml .) $ | nindent 2 }}
{{- end }}
{{- end }}
{{- if not (kindIs "invalid" .Values.hostUsers) }}
hostUsers: {{ .Values.hostUsers }}
{{- end }}
{{- end -}}

{{- define "tenantry.serverContainer" -}}
{{- $v := .Values -}}
{{ include "tenantry.container" (dict "root" . "name" "tenantry" "args" (list "serve") "resources" $v.resources) }}
ports:
  - { name: http, containerPort: 3000, protocol: TCP }
  {{- if $v.metrics.enabled }}
  - { name: metrics, containerPort: {{ $v.metrics.port }}, protocol: TCP }
  {{- end }}
  {{- with $v.extraPorts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
envFrom:
  - configMapRef: { name: {{ $v.existingConfigMap | default (include "tenantry.fullname" .) }} }
  {{- with $v.extraEnvFrom }}
  {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
env:
  {{- include "tenantry.serverEnv" . | nindent 2 }}
  {{- with $v.extraEnv }}
  {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
{{- range $probe := list "startupProbe" "readinessProbe" "livenessProbe" }}
{{- with get $v $probe }}
{{ $probe }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with $v.preStopSleepSeconds }}
lifecycle:
  preStop: { sleep: { seconds: {{ . }} } }
{{- end }}
volumeMounts:
  {{- include "tenantry.volumeMounts" . | nindent 2 }}
  {{- with $v.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* What depends on the pod or comes from a Secret; all else is in the ConfigMap. */}}
{{- define "tenantry.serverEnv" -}}
{{- $v := .Values -}}
{{- $credentials := $v.credentials.existingSecret | default (include "tenantry.fullname" .) -}}
- { name: PORT, value: "3000" }
{{- if $v.metrics.enabled }}
- { name: METRICS_PORT, value: {{ $v.metrics.port | quote }} }
{{- end }}
{{- with include "tenantry.nodeOptions" . }}
- { name: NODE_OPTIONS, value: {{ . | quote }} }
{{- end }}
{{ include "tenantry.databaseEnv" (dict "root" . "database" $v.database "secret" (include "tenantry.databaseSecret" .)) }}
{{- if and $v.database.host $v.database.directHost }}
- name: DATABASE_DIRECT_URL
  value: {{ include "tenantry.databaseUrl" (dict "root" . "database" (merge (dict "host" $v.database.directHost "port" $v.database.directPort) $v.database)) | quote }}
{{- else if and $v.database.secretKeys.directUrl (not $v.database.host) }}
- name: DATABASE_DIRECT_URL
  valueFrom: { secretKeyRef: { name: {{ include "tenantry.databaseSecret" . }}, key: {{ $v.database.secretKeys.directUrl }} } }
{{- end }}
- name: TENANTRY_ROOT_API_KEY
  valueFrom: { secretKeyRef: { name: {{ $credentials }}, key: {{ $v.credentials.keys.rootApiKey }} } }
- name: TENANTRY_ENCRYPTION_KEY
  valueFrom: { secretKeyRef: { name: {{ $credentials }}, key: {{ $v.credentials.keys.encryptionKey }} } }
{{- with $v.credentials.keys.previousEncryptionKey }}
- name: TENANTRY_PREVIOUS_ENCRYPTION_KEY
  valueFrom: { secretKeyRef: { name: {{ $credentials }}, key: {{ . }} } }
{{- end }}
{{- end -}}
