#!/bin/sh
# Initialises the broker, once. A second run of init refuses, because the token's file exists.
set -eu
token=/var/lib/quaymaster-keys/operator-token
if [ -e "$token" ]; then exit 0; fi
exec node --disable-sigusr1 /app/dist/quaymaster.cjs init --config /etc/quaymaster/config.yaml --token-file "$token" --token-ttl 30d
