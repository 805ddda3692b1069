{{/* What a schema cannot say. Every problem at once, and then nothing is rendered. */}}
{{- define "tenantry.check" -}}
{{- $problems := list -}}
{{- $v := .Values -}}
{{- if not (or $v.config.issuer $v.existingConfigMap) -}}
{{- $problems = append $problems "config.issuer is required: the public base URL, like https://tenantry.example.com" -}}
{{- end -}}
{{- if not (or $v.database.existingSecret $v.database.url (and $v.database.host $v.database.user (not $v.database.secretKeys.password))) -}}
{{- $problems = append $problems "database.existingSecret is required (or database.url, for a try): the DSN of the role that the service works as" -}}
{{- end -}}
{{- if and $v.database.url (or $v.database.existingSecret $v.database.host) -}}
{{- $problems = append $problems "database.url goes neither with database.existingSecret nor with database.host" -}}
{{- end -}}
{{- if and $v.database.directHost (not $v.database.host) -}}
{{- $problems = append $problems "database.directHost goes with database.host; in a Secret with whole DSNs, name database.secretKeys.directUrl" -}}
{{- end -}}
{{- if and $v.database.secretKeys.directUrl (or $v.database.host (not $v.database.existingSecret)) -}}
{{- $problems = append $problems "database.secretKeys.directUrl needs database.existingSecret with whole DSNs; beside database.host, give database.directHost" -}}
{{- end -}}
{{- if not (or $v.credentials.existingSecret (and $v.credentials.rootApiKey $v.credentials.encryptionKey)) -}}
{{- $problems = append $problems "credentials.existingSecret is required (or credentials.rootApiKey and credentials.encryptionKey, for a try)" -}}
{{- end -}}
{{- if and $v.credentials.existingSecret (or $v.credentials.rootApiKey $v.credentials.encryptionKey) -}}
{{- $problems = append $problems "credentials.existingSecret does not go with credentials.rootApiKey and credentials.encryptionKey" -}}
{{- end -}}
{{- if and $v.credentials.keys.previousEncryptionKey (not $v.credentials.existingSecret) -}}
{{- $problems = append $problems "credentials.keys.previousEncryptionKey needs credentials.existingSecret" -}}
{{- end -}}
{{- with $v.migrations -}}
{{- if ne .mode "none" -}}
{{- if not (or .database.existingSecret .database.url (and .database.host .database.user (not .database.secretKeys.password))) -}}
{{- $problems = append $problems "migrations.database.existingSecret is required (or migrations.database.url, for a try): the DSN of the owner; or migrations.mode: none" -}}
{{- end -}}
{{- if and .database.url (or .database.existingSecret .database.host) -}}
{{- $problems = append $problems "migrations.database.url goes neither with migrations.database.existingSecret nor with migrations.database.host" -}}
{{- end -}}
{{- $ours := include "tenantry.databaseRole" $v.database -}}
{{- if and $ours (eq $ours (include "tenantry.databaseRole" .database)) -}}
{{- $problems = append $problems "migrations.database and database are the same role: whoever migrates owns the tables, and row-level security does not bind the owner" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $v.pdb -}}
{{- if and (not (kindIs "invalid" .minAvailable)) (not (kindIs "invalid" .maxUnavailable)) -}}
{{- $problems = append $problems "pdb.minAvailable and pdb.maxUnavailable exclude each other: set one of them to null" -}}
{{- end -}}
{{- end -}}
{{- with $v.autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- $problems = append $problems "autoscaling.minReplicas is more than autoscaling.maxReplicas" -}}
{{- end -}}
{{- end -}}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) -}}
{{- $problems = append $problems "ingress.hosts is required with ingress.enabled" -}}
{{- end -}}
{{- if and $v.gateway.httpRoute.enabled (not $v.gateway.httpRoute.parentRefs) -}}
{{- $problems = append $problems "gateway.httpRoute.parentRefs is required with gateway.httpRoute.enabled" -}}
{{- end -}}
{{- if and (or $v.metrics.serviceMonitor.enabled $v.metrics.prometheusRule.enabled) (not $v.metrics.enabled) -}}
{{- $problems = append $problems "metrics.serviceMonitor and metrics.prometheusRule need metrics.enabled" -}}
{{- end -}}
{{- $unhurried := add (int $v.preStopSleepSeconds) (div (int $v.config.drainDelayMs) 1000) -}}
{{- if le (int $v.terminationGracePeriodSeconds) $unhurried -}}
{{- $problems = append $problems "terminationGracePeriodSeconds must be more than preStopSleepSeconds and config.drainDelayMs together: what is in flight is finished after them" -}}
{{- end -}}
{{- if $problems -}}
{{- fail (printf "\n\nThe values are not right:\n  - %s\n" (join "\n  - " $problems)) -}}
{{- end -}}
{{- end -}}

{{/* Who logs in to the database, as far as the values tell. */}}
{{- define "tenantry.databaseRole" -}}
{{- if .url -}}{{ .url }}
{{- else if and .host .user -}}{{ .user }}
{{- else if .existingSecret -}}{{ .existingSecret }}/{{ ternary .secretKeys.user .secretKeys.url (ne .host "") }}
{{- end -}}
{{- end -}}
