-- Strict tables with a row id: text keys in tables without one read at half the speed where rows carry blobs.

CREATE TABLE "meta" (
  "key" TEXT NOT NULL PRIMARY KEY,
  "value" TEXT NOT NULL
) STRICT;

CREATE TABLE "root_keys" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "kek_id" TEXT NOT NULL,
  "wrapped" BLOB NOT NULL,
  "commitment" BLOB NOT NULL,
  "state" TEXT NOT NULL,
  "created_at" INTEGER NOT NULL
) STRICT;
CREATE INDEX "root_keys_state" ON "root_keys" ("state");

CREATE TABLE "documents" (
  "kind" TEXT NOT NULL,
  "name" TEXT NOT NULL,
  "uid" TEXT NOT NULL,
  "version" INTEGER NOT NULL,
  "body" TEXT NOT NULL,
  "updated_at" INTEGER NOT NULL,
  "updated_by" TEXT NOT NULL,
  "mac" BLOB NOT NULL,
  PRIMARY KEY ("kind", "name")
) STRICT;

CREATE TABLE "document_versions" (
  "kind" TEXT NOT NULL,
  "name" TEXT NOT NULL,
  "uid" TEXT NOT NULL,
  "version" INTEGER NOT NULL,
  "body" TEXT,
  "created_at" INTEGER NOT NULL,
  "created_by" TEXT NOT NULL,
  "mac" BLOB NOT NULL,
  PRIMARY KEY ("kind", "uid", "version")
) STRICT;
CREATE INDEX "document_versions_name" ON "document_versions" ("kind", "name", "version");

CREATE TABLE "operator_tokens" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "operator" TEXT NOT NULL,
  "operator_uid" TEXT NOT NULL,
  "hash" BLOB NOT NULL,
  "body" TEXT NOT NULL,
  "created_at" INTEGER NOT NULL,
  "ends_at" INTEGER NOT NULL,
  "mac" BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX "operator_tokens_hash" ON "operator_tokens" ("hash");
CREATE INDEX "operator_tokens_operator" ON "operator_tokens" ("operator", "id");
CREATE INDEX "operator_tokens_ends_at" ON "operator_tokens" ("ends_at");

CREATE TABLE "sessions" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "hash" BLOB NOT NULL,
  "cluster" TEXT NOT NULL,
  "cluster_uid" TEXT NOT NULL,
  "namespace" TEXT NOT NULL,
  "service_account" TEXT NOT NULL,
  "pod_uid" TEXT,
  "body" TEXT NOT NULL,
  "created_at" INTEGER NOT NULL,
  "ends_at" INTEGER NOT NULL,
  "mac" BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX "sessions_hash" ON "sessions" ("hash");
CREATE INDEX "sessions_pod" ON "sessions" ("cluster", "pod_uid");
CREATE INDEX "sessions_ends_at" ON "sessions" ("ends_at");

CREATE TABLE "leases" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "session_id" TEXT NOT NULL,
  "workload" TEXT NOT NULL,
  "cluster" TEXT NOT NULL,
  "pod_uid" TEXT,
  "path" TEXT NOT NULL,
  "mount_uid" TEXT NOT NULL,
  "version" TEXT NOT NULL,
  "kind" TEXT NOT NULL,
  "state" TEXT NOT NULL,
  "cause" TEXT,
  "issued_at" INTEGER NOT NULL,
  "ends_at" INTEGER NOT NULL,
  "max_ends_at" INTEGER NOT NULL,
  "credential_id" TEXT,
  "purge_at" INTEGER
) STRICT;
CREATE INDEX "leases_session" ON "leases" ("session_id", "path");
CREATE INDEX "leases_pod" ON "leases" ("cluster", "pod_uid");
CREATE INDEX "leases_path" ON "leases" ("path");
CREATE INDEX "leases_workload" ON "leases" ("workload", "state");
CREATE INDEX "leases_mount" ON "leases" ("mount_uid");
CREATE INDEX "leases_credential" ON "leases" ("credential_id");
CREATE INDEX "leases_ends_at" ON "leases" ("state", "ends_at");
CREATE INDEX "leases_purge_at" ON "leases" ("purge_at");

CREATE TABLE "credentials" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "session_id" TEXT NOT NULL,
  "workload" TEXT NOT NULL,
  "cluster" TEXT NOT NULL,
  "pod_uid" TEXT,
  "path" TEXT NOT NULL,
  "mount_uid" TEXT NOT NULL,
  "idempotency_key" TEXT NOT NULL,
  "request_hash" TEXT NOT NULL,
  "lease_id" TEXT NOT NULL,
  "handle" TEXT NOT NULL,
  "revocation" TEXT NOT NULL,
  "state" TEXT NOT NULL,
  "sealed" BLOB,
  "attempts" INTEGER NOT NULL,
  "next_attempt_at" INTEGER,
  "last_error" TEXT,
  "created_at" INTEGER NOT NULL,
  "ends_at" INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX "credentials_idempotency" ON "credentials" ("session_id", "idempotency_key");
CREATE INDEX "credentials_due" ON "credentials" ("state", "next_attempt_at");
CREATE INDEX "credentials_lease" ON "credentials" ("lease_id");
CREATE INDEX "credentials_pod" ON "credentials" ("cluster", "pod_uid");
CREATE INDEX "credentials_path" ON "credentials" ("path");
CREATE INDEX "credentials_mount" ON "credentials" ("mount_uid");

CREATE TABLE "secrets" (
  "path" TEXT NOT NULL PRIMARY KEY,
  "id" TEXT NOT NULL,
  "last_version" INTEGER NOT NULL,
  "current_version" INTEGER,
  "updated_at" INTEGER NOT NULL,
  "mac" BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX "secrets_id" ON "secrets" ("id");

CREATE TABLE "secret_versions" (
  "secret_id" TEXT NOT NULL,
  "version" INTEGER NOT NULL,
  "root_key_id" TEXT NOT NULL,
  "wrapped_dek" BLOB,
  "ciphertext" BLOB,
  "created_at" INTEGER NOT NULL,
  "created_by" TEXT NOT NULL,
  "destroyed_at" INTEGER,
  PRIMARY KEY ("secret_id", "version")
) STRICT;
CREATE INDEX "secret_versions_root_key" ON "secret_versions" ("root_key_id");

CREATE TABLE "claims" (
  "name" TEXT NOT NULL PRIMARY KEY,
  "owner" TEXT NOT NULL,
  "epoch" INTEGER NOT NULL,
  "until" INTEGER NOT NULL
) STRICT;

CREATE TABLE "changes" (
  "seq" INTEGER NOT NULL PRIMARY KEY,
  "kind" TEXT NOT NULL,
  "key" TEXT NOT NULL,
  "at" INTEGER NOT NULL
) STRICT;
CREATE INDEX "changes_at" ON "changes" ("at");

CREATE TABLE "audit_batches" (
  "writer" TEXT NOT NULL,
  "first_seq" INTEGER NOT NULL,
  "count" INTEGER NOT NULL,
  "entries" BLOB NOT NULL,
  "head" BLOB NOT NULL,
  "signature" BLOB NOT NULL,
  PRIMARY KEY ("writer", "first_seq")
) STRICT;

CREATE TABLE "log_segments" (
  "first_index" INTEGER NOT NULL PRIMARY KEY,
  "writer" TEXT NOT NULL,
  "first_seq" INTEGER NOT NULL,
  "count" INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX "log_segments_batch" ON "log_segments" ("writer", "first_seq");

CREATE TABLE "log_tiles" (
  "level" INTEGER NOT NULL,
  "tile_index" INTEGER NOT NULL,
  "hashes" BLOB NOT NULL,
  PRIMARY KEY ("level", "tile_index")
) STRICT;

CREATE TABLE "log_terms" (
  "kind" TEXT NOT NULL,
  "term" TEXT NOT NULL,
  "bundle" INTEGER NOT NULL,
  PRIMARY KEY ("kind", "term", "bundle")
) STRICT;

CREATE TABLE "log_checkpoints" (
  "size" INTEGER NOT NULL PRIMARY KEY,
  "at" INTEGER NOT NULL,
  "note" TEXT NOT NULL
) STRICT;

CREATE TABLE "sink_cursors" (
  "sink" TEXT NOT NULL PRIMARY KEY,
  "next_index" INTEGER NOT NULL
) STRICT;
