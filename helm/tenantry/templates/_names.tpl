{{/* What objects are called, how they are labelled, and which image they run. */}}

{{- define "tenantry.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* 50 characters at most: the longest suffix is 13 long, and a name has 63. */}}
{{- define "tenantry.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "tenantry.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "tenantry.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* A Deployment's selector can never be changed, so nothing that a release may change belongs in here. */}}
{{- define "tenantry.selectorLabels" -}}
app.kubernetes.io/name: {{ include "tenantry.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "tenantry.labels" -}}
{{ include "tenantry.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/part-of: tenantry
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* metadata of an object: (dict "root" $ "component" … "suffix" … "labels" … "annotations" … "namespace" …) */}}
{{- define "tenantry.metadata" -}}
name: {{ .name | default (printf "%s%s" (include "tenantry.fullname" .root) (.suffix | default "")) }}
namespace: {{ .namespace | default .root.Release.Namespace }}
labels:
  {{- include "tenantry.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "tenantry.image" -}}
{{- $registry := .Values.global.imageRegistry | default .Values.image.registry -}}
{{- $name := ternary (printf "%s/%s" $registry .Values.image.repository) .Values.image.repository (ne $registry "") -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $name .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "tenantry.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "tenantry.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "tenantry.migrationsServiceAccountName" -}}
{{- $made := printf "%s-migrations" (include "tenantry.fullname" .) -}}
{{- .Values.migrations.serviceAccount.name | default (ternary $made "default" .Values.migrations.serviceAccount.create) -}}
{{- end -}}

{{/* The address of the service inside the cluster. */}}
{{- define "tenantry.url" -}}
{{- printf "http://%s.%s.svc:%v" (include "tenantry.fullname" .) .Release.Namespace .Values.service.port -}}
{{- end -}}
