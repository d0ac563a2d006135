#!/usr/bin/env bash
# From nothing to a pod that reads its secret, in a kind cluster on this machine: bash deploy/kind.sh
# Needs docker, kind, kubectl, helm, openssl, and "npm ci" in this checkout. To remove everything: kind delete cluster --name quaymaster
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly cluster=quaymaster image=quaymaster:0.1.0
# The authority of the broker's certificate and the token of its operator, for the commands that the end prints.
kept="${QUAYMASTER_KIND_DIRECTORY:-$PWD/.quaymaster/kind}"
work="$(mktemp -d)"
forward=''
finish() {
  if [ -n "$forward" ]; then kill "$forward" || true; fi
  rm -rf "$work"
}
trap finish EXIT

step() { printf '\n== %s\n' "$*"; }
kube() { kubectl --context "kind-$cluster" "$@"; }
release() { helm "$1" quaymaster deploy/helm/quaymaster --kube-context "kind-$cluster" --namespace quaymaster --values deploy/kind/values.yaml "${@:2}"; }
quaymaster() { npx --no-install node --disable-sigusr1 src/program/main.ts "$@"; }

step 'build the image, create a cluster, and load the image into it'
docker build --tag "$image" .
kind create cluster --name "$cluster" --wait 120s
kind load docker-image "$image" --name "$cluster"

step 'make an authority and a certificate for the broker'
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=quaymaster-kind -keyout "$work/ca.key" -out "$work/ca.crt"
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=quaymaster \
  -addext subjectAltName=DNS:quaymaster.quaymaster.svc,DNS:localhost -keyout "$work/tls.key" -out "$work/tls.csr"
openssl x509 -req -in "$work/tls.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial -copy_extensions copy -days 30 -out "$work/tls.crt"
kube create namespace quaymaster
kube label namespace quaymaster pod-security.kubernetes.io/enforce=restricted
kube --namespace quaymaster create secret generic quaymaster-tls --type=kubernetes.io/tls \
  --from-file=tls.crt="$work/tls.crt" --from-file=tls.key="$work/tls.key" --from-file=ca.crt="$work/ca.crt"

step 'install the chart: the Job that initialises, then the broker'
release install --set initialise.enabled=true
kube --namespace quaymaster wait --for=condition=complete job/quaymaster-init --timeout=180s
release upgrade
kube --namespace quaymaster rollout status statefulset quaymaster --timeout=180s
kube --namespace quaymaster rollout status deployment quaymaster-injector --timeout=180s

step 'log in through a forwarded port, apply the documents, and store a secret'
(umask 077 && kube --namespace quaymaster exec statefulset/quaymaster -- cat /var/lib/quaymaster-keys/bootstrap-token >"$work/token")
kube --namespace quaymaster port-forward service/quaymaster 8200:8200 >"$work/forward.log" &
forward=$!
export QUAYMASTER_URL=https://localhost:8200 QUAYMASTER_CA_FILE="$work/ca.crt" QUAYMASTER_TOKEN_FILE="$work/token"
tries=0
until quaymaster whoami; do
  tries=$((tries + 1))
  if [ "$tries" -ge 30 ]; then
    cat "$work/forward.log" >&2
    exit 1
  fi
  sleep 1
done
quaymaster apply -f deploy/kind/documents --yes
printf 'correct horse' | quaymaster put shop/mail password=-

step 'start a pod that the injector gives its secret'
kube apply -f deploy/kind/pod.yaml
kube --namespace shop wait --for=condition=ready pod/web --timeout=180s
kube --namespace shop exec web --container web -- cat /var/run/quaymaster/secrets/mail.json
printf '\n'

(umask 077 && mkdir -p "$kept" && cp "$work/token" "$kept/operator.token" && cp "$work/ca.crt" "$kept/ca.crt")
step "the operator's token is in $kept/operator.token; to continue, in this directory:"
cat <<NEXT
kubectl --context kind-$cluster --namespace quaymaster port-forward service/quaymaster 8200:8200 &
npm run --silent quaymaster -- login --url https://localhost:8200 --ca $(printf %q "$kept/ca.crt") --token-file $(printf %q "$kept/operator.token")
npm run --silent quaymaster -- status
NEXT
