{{- define "quaymaster.name" -}}
{{- if .Values.nameOverride -}}
{{- .Values.nameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What no upgrade changes: selectors are immutable. */}}
{{- define "quaymaster.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "quaymaster.labels" -}}
{{ include "quaymaster.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{- define "quaymaster.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "quaymaster.tlsSecret" -}}
{{ .Values.tls.secretName | default (printf "%s-tls" (include "quaymaster.name" .)) }}
{{- end -}}

{{- define "quaymaster.host" -}}
{{ include "quaymaster.name" . }}.{{ .Release.Namespace }}.svc
{{- end -}}

{{- define "quaymaster.scheme" -}}
{{ eq .Values.tls.source "proxy" | ternary "HTTP" "HTTPS" }}
{{- end -}}

{{/* The access mode of a claim that all pods of the broker mount. */}}
{{- define "quaymaster.accessMode" -}}
{{ .claim.accessMode | default (empty (include "quaymaster.isPostgres" .root) | ternary "ReadWriteOnce" "ReadWriteMany") }}
{{- end -}}

{{- define "quaymaster.isPostgres" -}}
{{- if eq .Values.config.store.type "postgres" }}true{{ end -}}
{{- end -}}
