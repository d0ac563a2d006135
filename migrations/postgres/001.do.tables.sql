-- Text compares byte by byte ("C"), as in SQLite, whatever the locale of the database.

CREATE TABLE "meta" (
  "key" text COLLATE "C" NOT NULL PRIMARY KEY,
  "value" text COLLATE "C" NOT NULL
);

CREATE TABLE "root_keys" (
  "id" text COLLATE "C" NOT NULL PRIMARY KEY,
  "kek_id" text COLLATE "C" NOT NULL,
  "wrapped" bytea NOT NULL,
  "commitment" bytea NOT NULL,
  "state" text COLLATE "C" NOT NULL,
  "created_at" bigint NOT NULL
);
CREATE INDEX "root_keys_state" ON "root_keys" ("state");

CREATE TABLE "documents" (
  "kind" text COLLATE "C" NOT NULL,
  "name" text COLLATE "C" NOT NULL,
  "uid" text COLLATE "C" NOT NULL,
  "version" bigint NOT NULL,
  "body" text COLLATE "C" NOT NULL,
  "updated_at" bigint NOT NULL,
  "updated_by" text COLLATE "C" NOT NULL,
  "mac" bytea NOT NULL,
  PRIMARY KEY ("kind", "name")
);

CREATE TABLE "document_versions" (
  "kind" text COLLATE "C" NOT NULL,
  "name" text COLLATE "C" NOT NULL,
  "uid" text COLLATE "C" NOT NULL,
  "version" bigint NOT NULL,
  "body" text COLLATE "C",
  "created_at" bigint NOT NULL,
  "created_by" text COLLATE "C" NOT NULL,
  "mac" bytea NOT NULL,
  PRIMARY KEY ("kind", "uid", "version")
);
CREATE INDEX "document_versions_name" ON "document_versions" ("kind", "name", "version");

CREATE TABLE "operator_tokens" (
  "id" text COLLATE "C" NOT NULL PRIMARY KEY,
  "operator" text COLLATE "C" NOT NULL,
  "operator_uid" text COLLATE "C" NOT NULL,
  "hash" bytea NOT NULL,
  "body" text COLLATE "C" NOT NULL,
  "created_at" bigint NOT NULL,
  "ends_at" bigint NOT NULL,
  "mac" bytea NOT NULL
);
CREATE UNIQUE INDEX "operator_tokens_hash" ON "operator_tokens" ("hash");
CREATE INDEX "operator_tokens_operator" ON "operator_tokens" ("operator", "id");
CREATE INDEX "operator_tokens_ends_at" ON "operator_tokens" ("ends_at");

CREATE TABLE "sessions" (
  "id" text COLLATE "C" NOT NULL PRIMARY KEY,
  "hash" bytea NOT NULL,
  "cluster" text COLLATE "C" NOT NULL,
  "cluster_uid" text COLLATE "C" NOT NULL,
  "namespace" text COLLATE "C" NOT NULL,
  "service_account" text COLLATE "C" NOT NULL,
  "pod_uid" text COLLATE "C",
  "body" text COLLATE "C" NOT NULL,
  "created_at" bigint NOT NULL,
  "ends_at" bigint NOT NULL,
  "mac" bytea NOT NULL
);
CREATE UNIQUE INDEX "sessions_hash" ON "sessions" ("hash");
CREATE INDEX "sessions_pod" ON "sessions" ("cluster", "pod_uid" NULLS FIRST);
CREATE INDEX "sessions_ends_at" ON "sessions" ("ends_at");

CREATE TABLE "leases" (
  "id" text COLLATE "C" NOT NULL PRIMARY KEY,
  "session_id" text COLLATE "C" NOT NULL,
  "workload" text COLLATE "C" NOT NULL,
  "cluster" text COLLATE "C" NOT NULL,
  "pod_uid" text COLLATE "C",
  "path" text COLLATE "C" NOT NULL,
  "mount_uid" text COLLATE "C" NOT NULL,
  "version" text COLLATE "C" NOT NULL,
  "kind" text COLLATE "C" NOT NULL,
  "state" text COLLATE "C" NOT NULL,
  "cause" text COLLATE "C",
  "issued_at" bigint NOT NULL,
  "ends_at" bigint NOT NULL,
  "max_ends_at" bigint NOT NULL,
  "credential_id" text COLLATE "C",
  "purge_at" bigint
);
CREATE INDEX "leases_session" ON "leases" ("session_id", "path");
CREATE INDEX "leases_pod" ON "leases" ("cluster", "pod_uid" NULLS FIRST);
CREATE INDEX "leases_path" ON "leases" ("path");
CREATE INDEX "leases_workload" ON "leases" ("workload", "state");
CREATE INDEX "leases_mount" ON "leases" ("mount_uid");
CREATE INDEX "leases_credential" ON "leases" ("credential_id" NULLS FIRST);
CREATE INDEX "leases_ends_at" ON "leases" ("state", "ends_at");
CREATE INDEX "leases_purge_at" ON "leases" ("purge_at" NULLS FIRST);

CREATE TABLE "credentials" (
  "id" text COLLATE "C" NOT NULL PRIMARY KEY,
  "session_id" text COLLATE "C" NOT NULL,
  "workload" text COLLATE "C" NOT NULL,
  "cluster" text COLLATE "C" NOT NULL,
  "pod_uid" text COLLATE "C",
  "path" text COLLATE "C" NOT NULL,
  "mount_uid" text COLLATE "C" NOT NULL,
  "idempotency_key" text COLLATE "C" NOT NULL,
  "request_hash" text COLLATE "C" NOT NULL,
  "lease_id" text COLLATE "C" NOT NULL,
  "handle" text COLLATE "C" NOT NULL,
  "revocation" text COLLATE "C" NOT NULL,
  "state" text COLLATE "C" NOT NULL,
  "sealed" bytea,
  "attempts" bigint NOT NULL,
  "next_attempt_at" bigint,
  "last_error" text COLLATE "C",
  "created_at" bigint NOT NULL,
  "ends_at" bigint NOT NULL
);
CREATE UNIQUE INDEX "credentials_idempotency" ON "credentials" ("session_id", "idempotency_key");
CREATE INDEX "credentials_due" ON "credentials" ("state", "next_attempt_at" NULLS FIRST);
CREATE INDEX "credentials_lease" ON "credentials" ("lease_id");
CREATE INDEX "credentials_pod" ON "credentials" ("cluster", "pod_uid" NULLS FIRST);
CREATE INDEX "credentials_path" ON "credentials" ("path");
CREATE INDEX "credentials_mount" ON "credentials" ("mount_uid");

CREATE TABLE "secrets" (
  "path" text COLLATE "C" NOT NULL PRIMARY KEY,
  "id" text COLLATE "C" NOT NULL,
  "last_version" bigint NOT NULL,
  "current_version" bigint,
  "updated_at" bigint NOT NULL,
  "mac" bytea NOT NULL
);
CREATE UNIQUE INDEX "secrets_id" ON "secrets" ("id");

CREATE TABLE "secret_versions" (
  "secret_id" text COLLATE "C" NOT NULL,
  "version" bigint NOT NULL,
  "root_key_id" text COLLATE "C" NOT NULL,
  "wrapped_dek" bytea,
  "ciphertext" bytea,
  "created_at" bigint NOT NULL,
  "created_by" text COLLATE "C" NOT NULL,
  "destroyed_at" bigint,
  PRIMARY KEY ("secret_id", "version")
);
CREATE INDEX "secret_versions_root_key" ON "secret_versions" ("root_key_id");

CREATE TABLE "claims" (
  "name" text COLLATE "C" NOT NULL PRIMARY KEY,
  "owner" text COLLATE "C" NOT NULL,
  "epoch" bigint NOT NULL,
  "until" bigint NOT NULL
);

CREATE TABLE "changes" (
  "seq" bigint NOT NULL PRIMARY KEY,
  "kind" text COLLATE "C" NOT NULL,
  "key" text COLLATE "C" NOT NULL,
  "at" bigint NOT NULL
);
CREATE INDEX "changes_at" ON "changes" ("at");

CREATE TABLE "audit_batches" (
  "writer" text COLLATE "C" NOT NULL,
  "first_seq" bigint NOT NULL,
  "count" bigint NOT NULL,
  "entries" bytea NOT NULL,
  "head" bytea NOT NULL,
  "signature" bytea NOT NULL,
  PRIMARY KEY ("writer", "first_seq")
);

CREATE TABLE "log_segments" (
  "first_index" bigint NOT NULL PRIMARY KEY,
  "writer" text COLLATE "C" NOT NULL,
  "first_seq" bigint NOT NULL,
  "count" bigint NOT NULL
);
CREATE UNIQUE INDEX "log_segments_batch" ON "log_segments" ("writer", "first_seq");

CREATE TABLE "log_tiles" (
  "level" bigint NOT NULL,
  "tile_index" bigint NOT NULL,
  "hashes" bytea NOT NULL,
  PRIMARY KEY ("level", "tile_index")
);

CREATE TABLE "log_terms" (
  "kind" text COLLATE "C" NOT NULL,
  "term" text COLLATE "C" NOT NULL,
  "bundle" bigint NOT NULL,
  PRIMARY KEY ("kind", "term", "bundle")
);

CREATE TABLE "log_checkpoints" (
  "size" bigint NOT NULL PRIMARY KEY,
  "at" bigint NOT NULL,
  "note" text COLLATE "C" NOT NULL
);

CREATE TABLE "sink_cursors" (
  "sink" text COLLATE "C" NOT NULL PRIMARY KEY,
  "next_index" bigint NOT NULL
);
