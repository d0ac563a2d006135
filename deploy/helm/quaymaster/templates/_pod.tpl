{{- define "quaymaster.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
# Gives the volumes' roots to this group, once. Done again on every start it would open the store's files to the group, and
# the broker refuses such files.
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "quaymaster.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The part that the pods of the broker, of its Jobs and of the injector have in common. */}}
{{- define "quaymaster.podCommon" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  {{- include "quaymaster.podSecurityContext" . | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* The pods of a component keep to different nodes where they can. */}}
{{- define "quaymaster.differentNodes" -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "quaymaster.selector" .root | nindent 12 }}
            app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "quaymaster.differentZones" -}}
- maxSkew: 1
  topologyKey: topology.kubernetes.io/zone
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "quaymaster.selector" .root | nindent 6 }}
      app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "quaymaster.commonMounts" -}}
- { name: config, mountPath: /etc/quaymaster, readOnly: true }
{{- if include "quaymaster.hasKeyFiles" . }}
- { name: keys, mountPath: /var/lib/quaymaster-keys }
{{- end }}
{{- if include "quaymaster.isPostgres" . }}
- { name: postgres, mountPath: /etc/quaymaster-postgres, readOnly: true }
{{- else }}
- { name: data, mountPath: /var/lib/quaymaster }
{{- end }}
{{- if .Values.alerts.secretName }}
- { name: alerts, mountPath: /etc/quaymaster/alerts, readOnly: true }
{{- end }}
{{- if .Values.config.backup }}
- { name: backups, mountPath: {{ include "quaymaster.backupDirectory" . }} }
{{- end }}
{{- if include "quaymaster.copiesDatabase" . }}
- { name: copy, mountPath: {{ include "quaymaster.copyDirectory" . }} }
{{- end }}
{{- if include "quaymaster.archivesToVolume" . }}
- { name: archive, mountPath: {{ include "quaymaster.archiveDirectory" . }} }
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "quaymaster.commonVolumes" -}}
{{- $name := include "quaymaster.name" . -}}
- name: config
  configMap:
    name: {{ $name }}
{{- if include "quaymaster.hasKeyFiles" . }}
- name: keys
  persistentVolumeClaim:
    claimName: {{ .Values.storage.keys.existingClaim | default (printf "%s-keys" $name) }}
{{- end }}
{{- if include "quaymaster.isPostgres" . }}
- name: postgres
  secret:
    secretName: {{ .Values.postgres.secretName }}
    defaultMode: 0440
{{- else }}
- name: data
  persistentVolumeClaim:
    claimName: {{ .Values.storage.data.existingClaim | default (printf "%s-data" $name) }}
{{- end }}
{{- if .Values.alerts.secretName }}
- name: alerts
  secret:
    secretName: {{ .Values.alerts.secretName }}
    defaultMode: 0440
{{- end }}
{{- if .Values.config.backup }}
- name: backups
  persistentVolumeClaim:
    claimName: {{ .Values.storage.backups.existingClaim | default (printf "%s-backups" $name) }}
{{- end }}
{{- if include "quaymaster.copiesDatabase" . }}
- name: copy
  emptyDir: {}
{{- end }}
{{- if include "quaymaster.archivesToVolume" . }}
- name: archive
  persistentVolumeClaim:
    claimName: {{ .Values.storage.archive.existingClaim | default (printf "%s-archive" $name) }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "quaymaster.apiAccessMount" -}}
- { name: api-access, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true }
{{- end -}}

{{- define "quaymaster.apiAccessVolume" -}}
# The account's token, for an hour at a time, in this container only.
- name: api-access
  projected:
    sources:
      - serviceAccountToken: { path: token, expirationSeconds: 3600 }
      - configMap:
          name: kube-root-ca.crt
          items: [{ key: ca.crt, path: ca.crt }]
{{- end -}}

{{- define "quaymaster.brokerContainer" -}}
name: quaymaster
image: {{ include "quaymaster.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [serve]
{{- with .Values.extraEnv }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - { name: api, containerPort: 8200 }
  {{- if .Values.config.vaultApi }}
  - { name: vault-api, containerPort: 8220 }
  {{- end }}
  {{- if include "quaymaster.consoleIsApart" . }}
  - { name: console, containerPort: 8230 }
  {{- end }}
  - { name: metrics, containerPort: 9090 }
securityContext:
  {{- include "quaymaster.containerSecurityContext" . | nindent 2 }}
# Starting may check and migrate the store.
startupProbe:
  httpGet: { path: /healthz, port: api, scheme: {{ include "quaymaster.scheme" . }} }
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: { path: /healthz, port: api, scheme: {{ include "quaymaster.scheme" . }} }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: api, scheme: {{ include "quaymaster.scheme" . }} }
  periodSeconds: 5
  timeoutSeconds: 5
resources:
  {{- toYaml .Values.resources | nindent 2 }}
volumeMounts:
  {{- include "quaymaster.commonMounts" . | nindent 2 }}
  {{- include "quaymaster.apiAccessMount" . | nindent 2 }}
  {{- if ne .Values.tls.source "proxy" }}
  - { name: tls, mountPath: /etc/quaymaster-tls, readOnly: true }
  {{- end }}
{{- end -}}

{{- define "quaymaster.brokerPod" -}}
metadata:
  labels:
    {{- include "quaymaster.selector" . | nindent 4 }}
    app.kubernetes.io/component: broker
  annotations:
    # Some settings need a restart: a changed file restarts the broker.
    checksum/config: {{ include "quaymaster.config" . | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "quaymaster.name" . }}
  {{- include "quaymaster.podCommon" . | nindent 2 }}
  # Draining takes up to 25 s.
  terminationGracePeriodSeconds: 30
  {{- if or .Values.affinity (include "quaymaster.isPostgres" .) }}
  affinity:
    {{- if .Values.affinity }}
    {{- toYaml .Values.affinity | nindent 4 }}
    {{- else }}
    {{- include "quaymaster.differentNodes" (dict "root" . "component" "broker") | nindent 4 }}
    {{- end }}
  {{- end }}
  {{- if or .Values.topologySpreadConstraints (include "quaymaster.isPostgres" .) }}
  topologySpreadConstraints:
    {{- if .Values.topologySpreadConstraints }}
    {{- toYaml .Values.topologySpreadConstraints | nindent 4 }}
    {{- else }}
    {{- include "quaymaster.differentZones" (dict "root" . "component" "broker") | nindent 4 }}
    {{- end }}
  {{- end }}
  containers:
    - {{- include "quaymaster.brokerContainer" . | nindent 6 }}
  volumes:
    {{- include "quaymaster.commonVolumes" . | nindent 4 }}
    {{- include "quaymaster.apiAccessVolume" . | nindent 4 }}
    {{- if ne .Values.tls.source "proxy" }}
    - name: tls
      secret:
        secretName: {{ include "quaymaster.tlsSecret" . }}
        defaultMode: 0440
    {{- end }}
{{- end -}}
