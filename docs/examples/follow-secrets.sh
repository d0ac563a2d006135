#!/bin/sh
# A workload on the plain API, with curl and sed: sh follow-secrets.sh PATH...
# It logs in with its pod's token, reads the secrets, waits until one of them changes, reads it again and acknowledges it.
# Tokens go to curl on standard input, because every process of the pod can read its arguments.
set -eu

api=$QUAYMASTER_URL/api/v1
work=$(mktemp -d)
follower=
trap 'status=$?; [ -z "$follower" ] || kill "$follower" 2>/dev/null || :; rm -rf "$work"; exit $status' EXIT

# Options of every call. Without "location" curl follows no redirect.
options() {
  printf 'silent\nshow-error\nfail\ntlsv1.3\n'
  [ -z "${QUAYMASTER_CA_FILE:-}" ] || printf 'cacert = "%s"\n' "$QUAYMASTER_CA_FILE"
}
# All calls below are safe to repeat. curl waits for the time in Retry-After.
ask() {
  { options && cat; } | curl -K - --max-time 30 --retry 3 --retry-connrefused "$@"
}
# The kubelet replaces the file long before its token expires, so the program reads it each time.
pod_token() {
  tr -d '\n' <"$QUAYMASTER_TOKEN_FILE"
}
credential() {
  printf 'header = "Authorization: Bearer %s"\n' "$session"
}
json() {
  printf 'header = "Content-Type: application/json"\ndata = "%s"\n' "$(printf %s "$1" | sed 's/["\\]/\\&/g')"
}
# Prints the version of a path in an answer on standard input. Use a JSON parser if you need the values; this example only shows versions.
version_of() {
  sed -n "s|.*{\"path\":\"$1\",\"version\":\"\\([^\"]*\\)\",\"data\":.*|\\1|p"
}

session=$(json "{\"cluster\":\"$QUAYMASTER_CLUSTER\",\"token\":\"$(pod_token)\"}" | ask "$api/sessions" |
  sed -n 's/.*"token":"\(qms_[0-9A-Za-z]*\)".*/\1/p')

items=
for path in "$@"; do items="$items,{\"path\":\"$path\"}"; done
answer=$({ credential && json "{\"items\":[${items#,}]}"; } | ask "$api/secrets:batch")
for path in "$@"; do
  version=$(printf %s "$answer" | version_of "$path")
  if [ -n "$version" ]; then echo "$path version $version"; else
    echo "$path $(printf %s "$answer" | sed -n "s|.*{\"path\":\"$path\",\"error\":{[^}]*\"code\":\"\\([A-Z_]*\\)\".*|\\1|p")"
  fi
done

# A comment arrives every 15 seconds: a stream without data for 45 seconds is dead.
mkfifo "$work/events"
{ options && credential; } | curl -K - --no-buffer --speed-limit 1 --speed-time 45 "$api/events" >"$work/events" &
follower=$!
changed=
event=
while IFS= read -r line; do
  case $line in
  'event: ready') echo following ;;
  'event: '*) event=${line#event: } ;;
  'data: '*)
    [ "$event" = secret.changed ] || continue
    kill "$follower"
    follower=
    changed=$(printf %s "$line" | sed -n 's/.*"path":"\([^"]*\)".*/\1/p')
    break
    ;;
  esac
done <"$work/events"
[ -n "$changed" ] || { echo 'the event stream ended' >&2 && exit 1; }

version=$(credential | ask "$api/secrets/$changed" | version_of "$changed")
echo "$changed changed, version $version"
{ credential && json "{\"items\":[{\"path\":\"$changed\",\"version\":\"$version\"}]}"; } |
  ask "$api/acknowledgements" >"$work/acknowledged"

{ credential && json "{\"token\":\"$(pod_token)\"}"; } | ask "$api/sessions/self/renew" >"$work/renewed"
echo renewed
credential | ask --request DELETE "$api/sessions/self"
