{{/* The container that migrates, the same in a Job and as an init container. */}}
{{- define "tenantry.migrationsContainer" -}}
{{- $migrations := .Values.migrations -}}
{{- $grant := list -}}
{{- with $migrations.grantTo }}{{- $grant = list "--grant-to" . -}}{{- end -}}
{{- $args := concat (list "migrate") $grant $migrations.extraArgs -}}
{{ include "tenantry.container" (dict "root" . "name" "migrate" "args" $args "resources" $migrations.resources) }}
env:
  {{- include "tenantry.databaseEnv" (dict "root" . "database" $migrations.database "secret" (include "tenantry.migrationsSecret" .)) | nindent 2 }}
  {{- with $migrations.servicePassword }}
  {{- if .existingSecret }}
  - name: TENANTRY_SERVICE_PASSWORD
    valueFrom: { secretKeyRef: { name: {{ .existingSecret }}, key: {{ .key }} } }
  {{- end }}
  {{- end }}
  {{- with $migrations.extraEnv }}
  {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
{{- with $migrations.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  {{- include "tenantry.volumeMounts" . | nindent 2 }}
  {{- with $migrations.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/*
Annotations that make an object part of the hook: (dict "root" $ "weight" "0"). What the Job refers to comes before it (0),
the Job itself (1) waits for it. Nothing is deleted when it succeeds: its log says what was migrated, and the ServiceAccount
is that of a pod that may still be there.
Never post-install: `helm --wait` would wait for pods that wait for the migration that waits for the pods.
*/}}
{{- define "tenantry.migrationsHook" -}}
{{- if eq .root.Values.migrations.mode "argocd" -}}
argocd.argoproj.io/hook: PreSync
argocd.argoproj.io/hook-delete-policy: BeforeHookCreation
argocd.argoproj.io/sync-wave: {{ sub (int .weight) 1 | quote }}
{{- else -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-delete-policy: before-hook-creation
helm.sh/hook-weight: {{ .weight | quote }}
{{- end -}}
{{- end -}}

{{- define "tenantry.migrationsAreAJob" -}}
{{- if has .Values.migrations.mode (list "hook" "argocd") }}yes{{ end -}}
{{- end -}}
