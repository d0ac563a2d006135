{{/* The ways of the broker out. */}}
{{- define "quaymaster.egress" -}}
{{- $ports := .Values.networkPolicy.egressPorts -}}
{{- if include "quaymaster.isPostgres" . -}}
{{- $ports = append $ports .Values.postgres.port -}}
{{- end -}}
{{- include "quaymaster.egressTo" (dict "endpoints" (include "quaymaster.endpoints" . | fromJsonArray) "ports" $ports) -}}
{{- end -}}

{{/*
Rules for endpoints, and for ports that are open to everywhere. A NetworkPolicy knows addresses, namespaces and ports, but no names. So an address is opened as such, a
Service by its namespace, with all ports because those of its pods may be others, and any other name by its port to everywhere.
*/}}
{{- define "quaymaster.egressTo" -}}
{{- $ports := list -}}
{{- range .ports -}}
{{- $ports = append $ports (int .) -}}
{{- end -}}
{{- $addresses := dict -}}
{{- $namespaces := list -}}
{{- range .endpoints -}}
{{- if regexMatch "^(?:localhost|127\\..*|::1)$" .host -}}
{{- /* A container of the same pod. */ -}}
{{- else if regexMatch "^[0-9.]+$|:" .host -}}
{{- $cidr := printf "%s/%s" .host (contains ":" .host | ternary "128" "32") -}}
{{- $_ := set $addresses $cidr (append (get $addresses $cidr | default list) .port | uniq | sortAlpha) -}}
{{- else if regexMatch "^[^.]+\\.[^.]+\\.svc(?:\\.|$)" .host -}}
{{- $namespaces = append $namespaces (index (splitList "." .host) 1) -}}
{{- else -}}
{{- $ports = append $ports (int .port) -}}
{{- end -}}
{{- end -}}
{{- /* An empty list of ports would mean all. */ -}}
{{- with $ports | uniq -}}
- ports:
    {{- range . }}
    - { protocol: TCP, port: {{ . }} }
    {{- end }}
{{- end }}
{{- range $cidr, $ports := $addresses }}
- to:
    - ipBlock: { cidr: {{ $cidr | quote }} }
  ports:
    {{- range $ports }}
    - { protocol: TCP, port: {{ . }} }
    {{- end }}
{{- end }}
{{- range $namespaces | uniq }}
- to:
    - namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: {{ . }} } }
{{- end }}
{{- end -}}

{{/* The hosts and ports in the configuration. */}}
{{- define "quaymaster.endpoints" -}}
{{- $config := .Values.config -}}
{{- $parts := list $config.kek $config.secondKek $config.traces $config.audit.checkpoint (dig "archive" "to" dict $config.audit) -}}
{{- $parts = concat $parts (dig "sinks" list $config.audit) (dig "witnesses" list $config.audit) -}}
{{- range list $config.connections $config.notifications (dig "people" "issuers" dict $config) -}}
{{- $parts = concat $parts (values (default dict .)) -}}
{{- end -}}
{{- $usual := dict "postgres" 5432 "mysql" 3306 "redis" 6379 "syslog" 6514 -}}
{{- $found := list -}}
{{- range $part := compact $parts -}}
{{- range list "url" "address" "endpoint" "stsEndpoint" "server" "issuerUrl" -}}
{{- with get $part . -}}
{{- $found = append $found (include "quaymaster.endpoint" . | fromJson) -}}
{{- end -}}
{{- end -}}
{{- if $part.host -}}
{{- $found = append $found (dict "host" $part.host "port" (int ($part.port | default (get $usual $part.type)))) -}}
{{- end -}}
{{- end -}}
{{- $found | toJson -}}
{{- end -}}

{{/* The host and port of a URL. */}}
{{- define "quaymaster.endpoint" -}}
{{- $url := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (eq $url.scheme "http" | ternary "80" "443") -}}
{{- dict "host" $url.hostname "port" (int $port) | toJson -}}
{{- end -}}
