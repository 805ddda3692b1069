{{/*
Environment variables that lead to the database: (dict "root" $ "database" map "secret" name). From a whole DSN in a Secret,
or from a host and a Secret with name and password: those are not put into a URL, where a password with an `@` would break
it, but given beside it under the names that PostgreSQL's own clients read, and the service's driver too.
*/}}
{{- define "tenantry.databaseEnv" -}}
{{- $root := .root -}}
{{- $secret := .secret -}}
{{- with .database -}}
{{- if .host -}}
- name: DATABASE_URL
  value: {{ include "tenantry.databaseUrl" (dict "root" $root "database" .) | quote }}
{{- if .user }}
- name: PGUSER
  value: {{ .user | quote }}
{{- else }}
- name: PGUSER
  valueFrom: { secretKeyRef: { name: {{ $secret }}, key: {{ .secretKeys.user }} } }
{{- end }}
{{- if .secretKeys.password }}
- name: PGPASSWORD
  valueFrom: { secretKeyRef: { name: {{ $secret }}, key: {{ .secretKeys.password }} } }
{{- end }}
{{- else -}}
- name: DATABASE_URL
  valueFrom: { secretKeyRef: { name: {{ $secret }}, key: {{ .secretKeys.url }} } }
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tenantry.databaseUrl" -}}
{{- $ca := "" -}}
{{- if and .root.Values.database.tls.caSecret (eq .database.sslMode "verify-full") -}}
{{- $ca = "&sslrootcert=/etc/tenantry/database-ca/ca.crt" -}}
{{- end -}}
{{- printf "postgres://%s:%v/%s?sslmode=%s%s" .database.host .database.port .database.name .database.sslMode $ca -}}
{{- end -}}

{{- define "tenantry.databaseSecret" -}}
{{- .Values.database.existingSecret | default (include "tenantry.fullname" .) -}}
{{- end -}}

{{- define "tenantry.migrationsSecret" -}}
{{- .Values.migrations.database.existingSecret | default (printf "%s-migrations" (include "tenantry.fullname" .)) -}}
{{- end -}}
