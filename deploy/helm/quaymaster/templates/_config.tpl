{{/* The broker's configuration file: what `config` says, and over it what the pod around it decides. */}}
{{- define "quaymaster.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $listener := dict "host" "0.0.0.0" "port" 8200 -}}
{{- if eq .Values.tls.source "proxy" -}}
{{- $_ := set $listener "plaintextBehindProxy" true -}}
{{- else -}}
{{- $tls := dict "certificateFile" "/etc/quaymaster-tls/tls.crt" "keyFile" "/etc/quaymaster-tls/tls.key" -}}
{{- with .Values.tls.clientCaFile -}}
{{- /* Not required: the probes of the kubelet have no certificate. */ -}}
{{- $_ := mergeOverwrite $tls (dict "clientAuth" "optional" "clientCaFile" .) -}}
{{- end -}}
{{- $_ := set $listener "tls" $tls -}}
{{- end -}}
{{- $store := dict "path" "/var/lib/quaymaster/store/quaymaster.sqlite" -}}
{{- if include "quaymaster.isPostgres" . -}}
{{- $store = dict "connectionStringFile" (printf "/etc/quaymaster-postgres/%s" .Values.postgres.key) -}}
{{- end -}}
{{- $kek := dict -}}
{{- if eq $config.kek.type "local-file" -}}
{{- $kek = dict "path" "/var/lib/quaymaster-keys/kek.key" -}}
{{- end -}}
{{- $audit := dict -}}
{{- if not $config.audit.logKey -}}
{{- $_ := set $audit "logKeyFile" "/var/lib/quaymaster-keys/log.key" -}}
{{- end -}}
{{- if not $config.audit.checkpoint -}}
{{- $_ := set $audit "checkpointFile" "/var/lib/quaymaster-keys/checkpoint" -}}
{{- end -}}
{{- $metrics := dict "listener" (dict "host" "0.0.0.0" "port" 9090) -}}
{{- $forbidden := append (dig "kubernetes" "forbiddenNamespaces" list $config) .Release.Namespace | uniq -}}
{{- $own := dict "listener" $listener "store" $store "kek" $kek "audit" $audit "metrics" $metrics "kubernetes" (dict "forbiddenNamespaces" $forbidden) -}}
{{- if $config.vaultApi -}}
{{- $_ := set $own "vaultApi" (dict "listener" (mergeOverwrite (deepCopy (default dict $config.listener)) $listener (dict "port" 8220))) -}}
{{- end -}}
{{- if include "quaymaster.consoleIsApart" . -}}
{{- $_ := set $own "console" (dict "listener" (mergeOverwrite (deepCopy $listener) (dict "port" 8230))) -}}
{{- end -}}
{{- if $config.backup -}}
{{- $backup := dict "directory" (include "quaymaster.backupDirectory" .) -}}
{{- if include "quaymaster.copiesDatabase" . -}}
{{- $_ := set $backup "copyDirectory" (include "quaymaster.copyDirectory" .) -}}
{{- end -}}
{{- $_ := set $own "backup" $backup -}}
{{- end -}}
{{- if include "quaymaster.archivesToVolume" . -}}
{{- $_ := set $audit "archive" (dict "to" (dict "path" (include "quaymaster.archiveDirectory" .))) -}}
{{- end -}}
{{- if .Values.injector.enabled -}}
{{- $_ := set $own "injector" (include "quaymaster.injectorConfig" . | fromYaml) -}}
{{- end -}}
{{- mergeOverwrite $config $own | toYaml -}}
{{- end -}}

{{/* Whether a key or the checkpoint is in a file. Otherwise there is no volume of the keys. */}}
{{- define "quaymaster.hasKeyFiles" -}}
{{- $types := list .Values.config.kek.type (dig "secondKek" "type" "" .Values.config) -}}
{{- if or (has "local-file" $types) (not .Values.config.audit.logKey) (not .Values.config.audit.checkpoint) -}}true{{- end -}}
{{- end -}}

{{/* The directory of the first token: on the volume of the keys, or in memory of the Job's pod. */}}
{{- define "quaymaster.tokenDirectory" -}}
{{- if include "quaymaster.hasKeyFiles" . }}/var/lib/quaymaster-keys{{ else }}/run/quaymaster-token{{ end -}}
{{- end -}}

{{/* Whether the console has an address of its own. */}}
{{- define "quaymaster.consoleIsApart" -}}
{{- if and (dig "console" "enabled" false .Values.config) (hasKey .Values.config.console "listener") -}}true{{- end -}}
{{- end -}}

{{- define "quaymaster.backupDirectory" -}}
/var/lib/quaymaster-backups
{{- end -}}

{{/* Whether a backup is first a copy of a database, in a volume that lives as long as the pod. */}}
{{- define "quaymaster.copiesDatabase" -}}
{{- if and .Values.config.backup (include "quaymaster.isPostgres" .) -}}true{{- end -}}
{{- end -}}

{{- define "quaymaster.copyDirectory" -}}
/var/lib/quaymaster-copy
{{- end -}}

{{- define "quaymaster.archiveDirectory" -}}
/var/lib/quaymaster-archive
{{- end -}}

{{- define "quaymaster.archivesToVolume" -}}
{{- if eq (dig "audit" "archive" "to" "type" "" .Values.config) "directory" -}}true{{- end -}}
{{- end -}}

{{- define "quaymaster.injectorConfig" -}}
{{- $name := printf "%s-injector" (include "quaymaster.name" .) -}}
{{- with .Values.injector -}}
listener:
  host: 0.0.0.0
  port: 8443
  {{- with .clientCaFile }}
  clientCaFile: {{ . }}
  {{- end }}
certificate:
  {{- if not .managedCertificate }}
  files:
    certificateFile: /etc/quaymaster-injector-tls/tls.crt
    keyFile: /etc/quaymaster-injector-tls/tls.key
  {{- else }}
  managed:
    connection: {{ .connection }}
    webhookConfiguration: {{ $name }}
    {{- if include "quaymaster.validates" $ }}
    validatingWebhookConfiguration: {{ include "quaymaster.name" $ }}-documents
    {{- end }}
    dnsNames: [{{ $name }}.{{ $.Release.Namespace }}.svc]
  {{- end }}
image: {{ .image | default (include "quaymaster.image" $) }}
broker:
  url: {{ .broker.url | default (printf "https://%s:8200" (include "quaymaster.host" $)) }}
  {{- with include "quaymaster.injectorCaFile" $ }}
  caFile: {{ . }}
  {{- end }}
  cluster: {{ .cluster }}
  audience: {{ .audience }}
nativeSidecars: {{ .nativeSidecars }}
resources:
  {{- toYaml .resources | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* The file with the authority of the broker's certificate, for injected agents; empty: the public roots. */}}
{{- define "quaymaster.injectorCaFile" -}}
{{- $own := eq .Values.tls.source "proxy" | ternary "public" (include "quaymaster.ownCaFile" .) -}}
{{- $file := .Values.injector.broker.caFile | default $own -}}
{{- eq $file "public" | ternary "" $file -}}
{{- end -}}

{{- define "quaymaster.ownCaFile" -}}
/etc/quaymaster-tls/ca.crt
{{- end -}}

{{/* The file of the CSI provider. */}}
{{- define "quaymaster.csiProviderConfig" -}}
socket: /run/quaymaster-csi/quaymaster.sock
broker:
  url: {{ .Values.csiProvider.brokerUrl | default (printf "https://%s:8200" (include "quaymaster.host" .)) }}
  {{- if .Values.csiProvider.caConfigMap }}
  caFile: /etc/quaymaster-ca/ca.crt
  {{- end }}
cluster: {{ .Values.csiProvider.cluster }}
audience: {{ .Values.csiProvider.audience }}
{{- end -}}

{{/* The Secret with the certificate of the webhook; empty if the injector makes the certificate. */}}
{{- define "quaymaster.injectorSecret" -}}
{{- with .Values.injector -}}
{{- if and .enabled (not .managedCertificate) -}}
{{- .certificateSecret | default (printf "%s-injector-tls" (include "quaymaster.name" $)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "quaymaster.issuesInjectorCertificate" -}}
{{- with .Values.injector -}}
{{- if and .enabled (not .managedCertificate) (not .certificateSecret) -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{/* The kinds of custom resources that the broker copies from this cluster. */}}
{{- define "quaymaster.documentKinds" -}}
{{- $plurals := list -}}
{{- range dig "kubernetes" "documents" list .Values.config -}}
{{- if .namespaces -}}
{{- $plurals = concat $plurals (list "accesspolicies" "secretdefinitions") -}}
{{- end -}}
{{- range .clusterKinds -}}
{{- $plurals = append $plurals (get (dict "Mount" "mounts" "PostureProfile" "postureprofiles" "ResponseRule" "responserules") .) -}}
{{- end -}}
{{- end -}}
{{- $plurals | uniq | toJson -}}
{{- end -}}

{{- define "quaymaster.documentNamespaces" -}}
{{- $names := list -}}
{{- range dig "kubernetes" "documents" list .Values.config -}}
{{- range .namespaces -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- end -}}
{{- $names | uniq | toJson -}}
{{- end -}}

{{- define "quaymaster.copiesDocuments" -}}
{{- if include "quaymaster.documentKinds" . | fromJsonArray -}}true{{- end -}}
{{- end -}}

{{/* Whether the webhook checks custom resources. */}}
{{- define "quaymaster.validates" -}}
{{- if and .Values.injector.enabled .Values.customResources.validate (include "quaymaster.copiesDocuments" .) -}}true{{- end -}}
{{- end -}}
