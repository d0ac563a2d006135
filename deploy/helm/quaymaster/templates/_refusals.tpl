{{/* What cannot work is refused here, in words, before anything reaches the cluster. */}}
{{- define "quaymaster.refusals" -}}
{{- if not .Values.config.audit.origin -}}
{{- fail "\n\nconfig.audit.origin is empty. It is the audit log's name, for example quaymaster.example/prod, and can never change: choose it now.\n" -}}
{{- end -}}
{{- if include "quaymaster.isPostgres" . -}}
{{- if not .Values.postgres.secretName -}}
{{- fail "\n\nconfig.store.type is postgres, and postgres.secretName is empty. Name a Secret of this namespace that holds the postgres://… URL under postgres.key.\n" -}}
{{- end -}}
{{- else if ne (int .Values.replicas) 1 -}}
{{- fail (printf "\n\nreplicas: %d does not work on SQLite: the store is a file, and one process holds it. Leave replicas at 1, or set config.store.type to postgres.\n" (int .Values.replicas)) -}}
{{- end -}}
{{- include "quaymaster.storageRefusals" . -}}
{{- $tasks := compact (list (ternary "initialise.enabled" "" .Values.initialise.enabled) (empty .Values.restore.from | ternary "" "restore.from") (empty .Values.unlock.comment | ternary "" "unlock.comment")) -}}
{{- if gt (len $tasks) 1 -}}
{{- fail (printf "\n\n%s are set. Each runs a Job in place of the broker: set one of them for one upgrade, then the next.\n" (join " and " $tasks)) -}}
{{- end -}}
{{- with .Values.restore -}}
{{- if and .from (not (regexMatch "^quaymaster-[0-9]{8}T[0-9]{9}Z$" .from)) -}}
{{- fail (printf "\n\nrestore.from is %s, which is not the name of a backup. Give the name as \"quaymaster backup ls\" prints it, such as quaymaster-20261127T061203123Z, without a directory and .age.\n" (quote .from)) -}}
{{- end -}}
{{- if and .from (not $.Values.config.backup) -}}
{{- fail "\n\nrestore.from is set, and config.backup is not, so the pod has no volume of backups. Set config.backup.recipients, and storage.backups.existingClaim if the backups are on a claim of yours.\n" -}}
{{- end -}}
{{- if and .from (not .identitySecret) -}}
{{- fail "\n\nrestore.from is set, and restore.identitySecret is empty. Name a Secret of this namespace with the secret key of the backups, and delete it afterwards.\n" -}}
{{- end -}}
{{- end -}}
{{- if and (eq .Values.tls.source "cert-manager") (not .Values.tls.certManager.issuerRef.name) -}}
{{- fail "\n\ntls.source is cert-manager, and tls.certManager.issuerRef.name is empty. Name the Issuer or ClusterIssuer that signs the broker's certificate.\n" -}}
{{- end -}}
{{- if and (eq .Values.tls.source "proxy") .Values.tls.clientCaFile -}}
{{- fail "\n\ntls.clientCaFile is set, and tls.source is proxy. The proxy ends TLS, so the broker sees no certificate of a client: check it at the proxy, or let the broker end TLS.\n" -}}
{{- end -}}
{{- include "quaymaster.routeRefusals" . -}}
{{- if and .Values.watch.trivyReports (not .Values.evidenceWriters) -}}
{{- fail "\n\nwatch.trivyReports is true, and evidenceWriters is empty. Everyone who may write these reports could call an image clean: name the account of the Trivy Operator, such as system:serviceaccount:trivy-system:trivy-operator.\n" -}}
{{- end -}}
{{- with .Values.csiProvider -}}
{{- if and .enabled (not .cluster) -}}
{{- fail "\n\ncsiProvider.enabled is true, and csiProvider.cluster is empty. It is the name under which this cluster is registered at the broker.\n" -}}
{{- end -}}
{{- if and .enabled (eq $.Values.tls.source "proxy") (not .brokerUrl) -}}
{{- fail "\n\ncsiProvider.brokerUrl is empty, and tls.source is proxy. The provider speaks https only: give the proxy's URL.\n" -}}
{{- end -}}
{{- if and .enabled (eq .namespace $.Release.Namespace) -}}
{{- fail (printf "\n\ncsiProvider.namespace is the broker's own. The provider needs a directory of the host, which the restricted level of %s does not admit: use kube-system.\n" .namespace) -}}
{{- end -}}
{{- end -}}
{{- with .Values.injector -}}
{{- if and .enabled (not .cluster) -}}
{{- fail "\n\ninjector.enabled is true, and injector.cluster is empty. It is the name under which this cluster is registered at the broker: injected agents log in to it.\n" -}}
{{- end -}}
{{- if and .enabled (eq $.Values.tls.source "proxy") (not .broker.url) -}}
{{- fail "\n\ninjector.broker.url is empty, and tls.source is proxy. Injected agents speak https only: give the proxy's URL.\n" -}}
{{- end -}}
{{- if and .enabled (eq $.Values.tls.source "secret") (not .broker.caFile) -}}
{{- $secret := lookup "v1" "Secret" $.Release.Namespace (include "quaymaster.tlsSecret" $) -}}
{{- if and $secret (not (hasKey $secret.data "ca.crt")) -}}
{{- fail (printf "\n\ninjector.enabled is true, and the Secret %s has no ca.crt. Injected agents need the authority of the broker's certificate: add ca.crt to the Secret. If a public authority signed the certificate, set injector.broker.caFile to public.\n" (include "quaymaster.tlsSecret" $)) -}}
{{- end -}}
{{- end -}}
{{- if and .enabled .managedCertificate .certificateSecret -}}
{{- fail "\n\ninjector.managedCertificate is true, and injector.certificateSecret is set. Choose one: the injector makes the certificate of the webhook, or the Secret has it.\n" -}}
{{- end -}}
{{- if and .enabled .managedCertificate (ne (dig .connection "type" "" $.Values.config.connections) "kubernetes") -}}
{{- fail (printf "\n\ninjector.connection is %s, and config.connections has no such connection of type kubernetes. The injector puts its certificate into the webhook's configuration through it.\n" (quote .connection)) -}}
{{- end -}}
{{- if .enabled -}}
{{- $connection := .managedCertificate | ternary (dig .connection dict $.Values.config.connections) dict -}}
{{- $files := dict "injector.clientCaFile" .clientCaFile "injector.broker.caFile" (include "quaymaster.injectorCaFile" $) -}}
{{- range list "caFile" "tokenFile" -}}
{{- $_ := set $files (printf "config.connections.%s.%s" $.Values.injector.connection .) (get $connection . | default "") -}}
{{- end -}}
{{- $mounts := list (dir (include "quaymaster.ownCaFile" $)) -}}
{{- range .pod.extraVolumeMounts }}{{ $mounts = append $mounts (trimSuffix "/" .mountPath) }}{{ end -}}
{{- range $value, $file := $files -}}
{{- $isMounted := empty $file -}}
{{- range $mounts }}{{ if hasPrefix (printf "%s/" .) (printf "%s/" $file) }}{{ $isMounted = true }}{{ end }}{{ end -}}
{{- if not $isMounted -}}
{{- fail (printf "\n\n%s is %s, which no volume of the injector's pods has. The injector has pods of its own: mount the file there too, by injector.pod.extraVolumes and injector.pod.extraVolumeMounts.\n" $value $file) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .enabled .certificateSecret (not .caBundle) (not .caFromCertManager) -}}
{{- fail "\n\ninjector.certificateSecret is set: then give injector.caBundle, the authority that the API server is to trust, in base64; or injector.caFromCertManager, the namespace/name of a Certificate.\n" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "quaymaster.routeRefusals" -}}
{{- if or .Values.ingress.enabled .Values.gateway.enabled -}}
{{- if and .Values.ingress.enabled .Values.gateway.enabled -}}
{{- fail "\n\ningress.enabled and gateway.enabled are true. Choose one way to the broker.\n" -}}
{{- end -}}
{{- $way := .Values.ingress.enabled | ternary "ingress" "gateway" -}}
{{- $own := get .Values $way -}}
{{- $reencrypts := eq (get $own "tls" | default "") "reencrypt" -}}
{{- $proxies := dig "listener" "trustedProxies" list .Values.config -}}
{{- if not $own.host -}}
{{- fail (printf "\n\n%[1]s.enabled is true, and %[1]s.host is empty. Give the name under which clients reach the API; the broker's certificate must be for it.\n" $way) -}}
{{- end -}}
{{- if eq .Values.tls.source "proxy" -}}
{{- fail (printf "\n\n%s.enabled is true, and tls.source is proxy. Tokens and secrets would cross the cluster in plain HTTP: let the broker end TLS (tls.source secret or cert-manager).\n" $way) -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not (contains "passthrough" (toJson .Values.ingress.annotations))) -}}
{{- fail "\n\ningress.enabled is true, and no annotation in ingress.annotations names passthrough. A controller ends TLS unless an annotation tells it to pass TLS through, and would send tokens in plain HTTP: give that of your controller, such as haproxy.org/ssl-passthrough or nginx.ingress.kubernetes.io/ssl-passthrough with the value 'true'.\n" -}}
{{- end -}}
{{- if and .Values.gateway.enabled (not .Values.gateway.parentRefs) -}}
{{- fail "\n\ngateway.enabled is true, and gateway.parentRefs is empty. Name the Gateway and its listener.\n" -}}
{{- end -}}
{{- range .Values.gateway.parentRefs -}}
{{- if not .sectionName -}}
{{- fail (printf "\n\ngateway.parentRefs: %s has no sectionName. Without it the route also takes a listener in plain HTTP, which would receive tokens: name the listener with TLS.\n" (quote .name)) -}}
{{- end -}}
{{- end -}}
{{- if and $reencrypts (not .Values.gateway.caConfigMap) -}}
{{- fail "\n\ngateway.tls is reencrypt, and gateway.caConfigMap is empty. Without the authority of the broker's certificate the gateway would send tokens to anybody: name a ConfigMap of this namespace with ca.crt.\n" -}}
{{- end -}}
{{- if and $reencrypts (not $proxies) -}}
{{- fail "\n\ngateway.tls is reencrypt, and config.listener.trustedProxies is empty. The broker would take the gateway for the source of every request, so that sourceCidrs and the limits of an address would not tell clients apart: name the addresses of the gateway's pods.\n" -}}
{{- end -}}
{{- if and $reencrypts .Values.tls.clientCaFile -}}
{{- fail "\n\ngateway.tls is reencrypt, and tls.clientCaFile is set. The gateway ends TLS, so the broker sees no certificate of a client: use passthrough.\n" -}}
{{- end -}}
{{- if and (not $reencrypts) $proxies -}}
{{- fail (printf "\n\n%s passes TLS through, and config.listener.trustedProxies is not empty. A proxy that passes TLS through cannot write X-Forwarded-For, so that a client could forge its address: leave trustedProxies empty. The broker then sees the address of the proxy.\n" $way) -}}
{{- end -}}
{{- if dig "console" "enabled" false .Values.config -}}
{{- $console := get (urlParse (dig "console" "origin" "" .Values.config)) "hostname" -}}
{{- if include "quaymaster.consoleIsApart" . -}}
{{- if or (not $console) (eq $console $own.host) -}}
{{- fail (printf "\n\nconfig.console has a listener of its own, and its origin names %s. It needs another name than the API, %s: give config.console.origin, such as https://console.example.\n" (quote $console) (quote $own.host)) -}}
{{- end -}}
{{- else if ne $console $own.host -}}
{{- fail (printf "\n\nconfig.console.origin names %s, and %s.host is %s. The console is at the address of the API and answers to no other name: make them the same.\n" (quote $console) $way (quote $own.host)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "quaymaster.storageRefusals" -}}
{{- with .Values.config.audit -}}
{{- if and .logKey (eq $.Values.config.kek.type "local-file") -}}
{{- fail "\n\nconfig.audit.logKey is store, and config.kek.type is local-file. The log key would be wrapped by a file that needs the volume of the keys anyway: leave logKey out, or use vault-transit or aws-kms.\n" -}}
{{- end -}}
{{- if and .checkpoint (not (include "quaymaster.isPostgres" $)) -}}
{{- fail "\n\nconfig.audit.checkpoint is set, and config.store.type is not postgres. The last commit of SQLite is in a file beside the checkpoint: leave checkpoint out.\n" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.storage.keys.existingClaim (not (include "quaymaster.hasKeyFiles" .)) -}}
{{- fail "\n\nstorage.keys.existingClaim is set, and no key and no checkpoint is in a file, so no pod mounts it. Leave it out; the claim stays.\n" -}}
{{- end -}}
{{- if include "quaymaster.isPostgres" . -}}
{{- $ways := dict "keys" "keep the log key in the store and the checkpoint in a bucket, with a key-encryption key in Vault or AWS KMS" "backups" "leave config.backup out, and back the database up with its own tools (docs/upgrade-and-backup.md)" "archive" "let config.audit.archive.to name a bucket" -}}
{{- $mounted := dict "keys" (include "quaymaster.hasKeyFiles" .) "backups" .Values.config.backup "archive" (include "quaymaster.archivesToVolume" .) -}}
{{- range $claim, $way := $ways -}}
{{- if and (get $mounted $claim) (eq (get $.Values.storage $claim).accessMode "ReadWriteOnce") (or (gt (int $.Values.replicas) 1) (eq $.Values.updateStrategy "RollingUpdate")) -}}
{{- fail (printf "\n\nstorage.%[1]s.accessMode is ReadWriteOnce, and several pods mount the claim at a time (replicas: %[2]d, updateStrategy: %[3]s). Use one replica with Recreate, or a class with ReadWriteMany; or %[4]s.\n" $claim (int $.Values.replicas) $.Values.updateStrategy $way) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
