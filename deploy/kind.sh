#!/usr/bin/env bash
# From nothing to a pod that reads its secret, in a kind cluster on this machine: bash deploy/kind.sh
# Needs docker, kind, kubectl, helm, openssl, and `npm ci` in this checkout. `kind delete cluster --name quaymaster` removes everything.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly IMAGE=quaymaster:0.1.0 CLUSTER=quaymaster NAMESPACE=quaymaster
work="$(mktemp -d)"
forward=''
trap '[ -z "$forward" ] || kill "$forward"; rm -rf "$work"' EXIT

in_broker() { kubectl -n "$NAMESPACE" "$@"; }
release() { helm "$1" quaymaster deploy/helm/quaymaster -n "$NAMESPACE" -f deploy/kind/values.yaml --set-file "injector.broker.caFile=" "${@:2}"; }
quaymaster() { npx --no-install node src/main.ts "$@"; }

certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=quaymaster-kind -keyout "$work/ca.key" -out "$work/ca.crt"
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=quaymaster \
    -addext subjectAltName=DNS:quaymaster.quaymaster.svc,DNS:localhost -keyout "$work/tls.key" -out "$work/tls.csr"
  openssl x509 -req -in "$work/tls.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial -copy_extensions copy -days 30 -out "$work/tls.crt"
}
