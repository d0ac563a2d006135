{{/*
A Job that runs one command of the program while no broker runs. Arguments: `root`; `task`, the end of its name; `id`, which is added to the name if the
arguments can change, because those of a Job cannot; `args`; `backoffLimit`; `resources`; `identity`: whether it gets the secret key of the backups; `token`:
whether it writes a token into memory, which a second container keeps until someone has taken it.
*/}}
{{- define "quaymaster.job" -}}
{{- $root := .root -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "quaymaster.jobName" . }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "quaymaster.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .task }}
spec:
  backoffLimit: {{ .backoffLimit }}
  {{- if .token }}
  activeDeadlineSeconds: 3600
  {{- end }}
  {{- with .ttlSecondsAfterFinished }}
  ttlSecondsAfterFinished: {{ . }}
  {{- end }}
  template:
    metadata:
      labels:
        {{- include "quaymaster.selector" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .task }}
    spec:
      serviceAccountName: {{ include "quaymaster.name" $root }}
      {{- include "quaymaster.podCommon" $root | nindent 6 }}
      restartPolicy: Never
      {{- if .token }}
      initContainers:
        - {{- include "quaymaster.jobContainer" . | nindent 10 }}
      containers:
        - {{- include "quaymaster.tokenContainer" $root | nindent 10 }}
      {{- else }}
      containers:
        - {{- include "quaymaster.jobContainer" . | nindent 10 }}
      {{- end }}
      volumes:
        {{- include "quaymaster.commonVolumes" $root | nindent 8 }}
        {{- if include "quaymaster.kekNeedsToken" $root }}
        {{- include "quaymaster.apiAccessVolume" $root | nindent 8 }}
        {{- end }}
        {{- if .identity }}
        - name: identity
          secret:
            secretName: {{ .identity }}
            defaultMode: 0440
        {{- end }}
        {{- if .token }}
        # In memory, for as long as the pod lives: the token is never on a disk.
        - name: token
          emptyDir: { medium: Memory, sizeLimit: 1Mi }
        {{- end }}
{{- end -}}

{{- define "quaymaster.jobContainer" -}}
{{- $root := .root -}}
name: {{ .task }}
image: {{ include "quaymaster.image" $root }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
args:
  {{- toYaml .args | nindent 2 }}
{{- with $root.Values.extraEnv }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "quaymaster.containerSecurityContext" $root | nindent 2 }}
resources:
  {{- toYaml .resources | nindent 2 }}
volumeMounts:
  {{- include "quaymaster.commonMounts" $root | nindent 2 }}
  {{- if include "quaymaster.kekNeedsToken" $root }}
  {{- include "quaymaster.apiAccessMount" $root | nindent 2 }}
  {{- end }}
  {{- if .identity }}
  - { name: identity, mountPath: /etc/quaymaster-identity, readOnly: true }
  {{- end }}
  {{- if .token }}
  - { name: token, mountPath: {{ include "quaymaster.tokenDirectory" $root }} }
  {{- end }}
{{- end -}}

{{/* Keeps the pod, and so the token, until someone removes the file. It has no key and no configuration. */}}
{{- define "quaymaster.tokenContainer" -}}
name: token
image: {{ include "quaymaster.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command: [sh, -c, 'while [ -e {{ include "quaymaster.tokenDirectory" . }}/bootstrap-token ]; do sleep 1; done']
securityContext:
  {{- include "quaymaster.containerSecurityContext" . | nindent 2 }}
resources:
  requests: { cpu: 10m, memory: 16Mi, ephemeral-storage: 16Mi }
  limits: { memory: 32Mi, ephemeral-storage: 32Mi }
volumeMounts:
  - { name: token, mountPath: {{ include "quaymaster.tokenDirectory" . }} }
{{- end -}}

{{- define "quaymaster.jobName" -}}
{{- with .id -}}
{{ include "quaymaster.name" $.root }}-{{ $.task }}-{{ . | toJson | sha256sum | trunc 8 }}
{{- else -}}
{{ include "quaymaster.name" .root }}-{{ .task }}
{{- end -}}
{{- end -}}

{{- define "quaymaster.kekNeedsToken" -}}
{{- if has "vault-transit" (list .Values.config.kek.type (dig "secondKek" "type" "" .Values.config)) -}}true{{- end -}}
{{- end -}}

{{/* Whether a Job works in place of the broker. */}}
{{- define "quaymaster.isStopped" -}}
{{- if or .Values.initialise.enabled .Values.restore.from .Values.unlock.comment -}}true{{- end -}}
{{- end -}}

{{/* The options with which a Job also reads the entries that the broker archived. */}}
{{- define "quaymaster.archiveOptions" -}}
{{- with dig "audit" "archive" "to" dict .Values.config -}}
{{- if eq .type "directory" -}}
{{- list "--archive" (include "quaymaster.archiveDirectory" $) | toJson -}}
{{- else -}}
{{- $place := printf "s3://%s%s" .bucket (empty .prefix | ternary "" (printf "/%s" .prefix)) -}}
{{- $options := list "--archive" $place "--region" .region -}}
{{- with .endpoint }}{{ $options = concat $options (list "--endpoint" .) }}{{ end -}}
{{- $options | toJson -}}
{{- end -}}
{{- else -}}
[]
{{- end -}}
{{- end -}}

{{- define "quaymaster.restoreJob" -}}
{{- with .Values.restore -}}
{{- $archive := printf "%s/%s.age" (include "quaymaster.backupDirectory" $) .from -}}
{{- $args := list "restore" $archive "--identity" (printf "/etc/quaymaster-identity/%s" .identityKey) -}}
{{- if not (include "quaymaster.isPostgres" $) }}{{ $args = append $args "--replace" }}{{ end -}}
{{- $args = concat $args (include "quaymaster.archiveOptions" $ | fromJsonArray) .options -}}
{{- dict "task" "restore" "id" $args "args" $args "identity" .identitySecret | toJson -}}
{{- end -}}
{{- end -}}

{{- define "quaymaster.unlockJob" -}}
{{- with .Values.unlock -}}
{{- $args := concat (list "release" "--comment" .comment) (include "quaymaster.archiveOptions" $ | fromJsonArray) .options -}}
{{- dict "task" "unlock" "id" $args "args" $args | toJson -}}
{{- end -}}
{{- end -}}
