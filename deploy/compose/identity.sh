#!/bin/sh
# Prepares OpenBao after each start, then keeps the identity of the application fresh: a token of OpenBao's OIDC provider, and the keys that verify it.
set -eu
umask 077
export BAO_ADDR=http://127.0.0.1:8300
BAO_TOKEN="$(cat /run/openbao/root-token)"
export BAO_TOKEN

# Replaces a file of the broker or of the agent with the text of standard input.
give() {
  cat >"$1.new"
  chown 10001:10001 "$1.new"
  mv "$1.new" "$1"
}

if ! bao read auth/approle/role/web >/dev/null 2>&1; then
  bao kv put -mount=secret shop/mail username=mailer password='correct horse'

  bao policy write quaymaster - <<POLICY
path "secret/data/shop/*" { capabilities = ["read"] }
path "secret/metadata/shop/*" { capabilities = ["list"] }
POLICY

  bao policy write web - <<POLICY
path "identity/oidc/token/web" { capabilities = ["read"] }
POLICY

  bao auth enable approle
  bao write auth/approle/role/web token_policies=web token_ttl=10m
  entity="$(bao write -field=id identity/entity name=web)"
  bao write identity/entity-alias canonical_id="$entity" name="$(bao read -field=role_id auth/approle/role/web/role-id)" \
    mount_accessor="$(bao read -field=accessor sys/auth/approle)"

  bao write identity/oidc/config issuer=https://openbao.example
  bao write identity/oidc/key/workloads allowed_client_ids='*' rotation_period=24h verification_ttl=24h
  bao write identity/oidc/role/web key=workloads client_id=quaymaster ttl=1h template='{"workload": {{identity.entity.name}}}'
fi

bao token create -policy=quaymaster -period=24h -field=token | give /run/broker/openbao-token
chown 10001:10001 /run/workload
role="$(bao read -field=role_id auth/approle/role/web/role-id)"
while :; do
  login="$(bao write -force -field=secret_id auth/approle/role/web/secret-id)"
  login="$(bao write -field=token auth/approle/login role_id="$role" secret_id="$login")"
  BAO_TOKEN="$login" bao read -field=token identity/oidc/token/web | give /run/workload/token
  wget -q -O - "$BAO_ADDR/v1/identity/oidc/.well-known/keys" | give /run/broker/workload-keys.json
  sleep 1200
done
