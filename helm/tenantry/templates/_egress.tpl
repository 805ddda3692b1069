{{/* Names and the database: what service and migrations both reach. */}}
{{- define "tenantry.databaseEgress" -}}
{{- with .Values.networkPolicy.egress -}}
- ports: [{ port: 53, protocol: UDP }, { port: 53, protocol: TCP }]
  {{- with .dnsTo }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
- ports:
    {{- range .databasePorts }}
    - { port: {{ . }}, protocol: TCP }
    {{- end }}
  {{- with .databaseTo }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
{{- end -}}
