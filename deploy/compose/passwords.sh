#!/bin/sh
# Creates the passwords that the services of compose.yaml share, once.
set -eu
if [ -e /run/broker/store.url ]; then exit 0; fi
umask 077

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

random >/run/openbao/root-token

password="$(random)"
random >/run/postgres/password
cat >/run/postgres/init.sql <<SQL
CREATE ROLE quaymaster LOGIN PASSWORD '$password';
CREATE DATABASE quaymaster OWNER quaymaster ENCODING 'UTF8' TEMPLATE template0;
REVOKE CONNECT ON DATABASE quaymaster FROM PUBLIC;
SQL
# The image of PostgreSQL reads them as its own user. No other service mounts this volume.
chmod 0644 /run/postgres/password /run/postgres/init.sql
chmod 0755 /run/postgres

echo "postgres://quaymaster:$password@127.0.0.1:5432/quaymaster?sslmode=disable" >/run/broker/store.url.new
chown 10001:10001 /run/broker /run/broker/store.url.new
mv /run/broker/store.url.new /run/broker/store.url
