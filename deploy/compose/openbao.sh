#!/bin/sh
# OpenBao in development mode: unsealed, in memory.
set -eu
exec bao server -dev -log-level=warn -dev-no-store-token -dev-listen-address=127.0.0.1:8300 -dev-root-token-id="$(cat /run/openbao/root-token)"
