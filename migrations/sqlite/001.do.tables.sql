-- Strict tables with a row id: text keys in tables without one read at half the speed where rows carry blobs.

-- The store itself
-- ----------------

-- Facts of the installation, by name: its id, the mode of the store, the MAC over the root keys.
CREATE TABLE "meta" (
  "key" TEXT NOT NULL PRIMARY KEY,
  "value" TEXT NOT NULL
) STRICT;

-- Work that only one process may do at a time, and its owner.
CREATE TABLE "claims" (
  "name" TEXT NOT NULL PRIMARY KEY,
  "owner" TEXT NOT NULL,
  "epoch" INTEGER NOT NULL,
  "until" INTEGER NOT NULL,
  "mac" BLOB
) STRICT;

-- Changes that removed access, in the order of their commits (docs/spec/store-v1.md, "Changes and the fence").
CREATE TABLE "changes" (
  "seq" INTEGER NOT NULL PRIMARY KEY,
  "kind" TEXT NOT NULL,
  "key" TEXT NOT NULL,
  "at" INTEGER NOT NULL
) STRICT;
CREATE INDEX "changes_at" ON "changes" ("at");

-- Always empty. Brokers on PostgreSQL lock this table while they commit; SQLite has one process and needs no lock.
CREATE TABLE "fence" (
  "id" INTEGER NOT NULL PRIMARY KEY
) STRICT;

-- Digests over all rows of a table, which reveal a deleted, replayed or forged row (docs/spec/state-digest-v1.md).
CREATE TABLE "state_digests" (
  "kind" TEXT NOT NULL PRIMARY KEY,
  "root_key_id" TEXT NOT NULL,
  "generation" INTEGER NOT NULL,
  "count" INTEGER NOT NULL,
  "state" BLOB NOT NULL,
  "mac" BLOB NOT NULL
) STRICT;

-- Root keys (docs/spec/root-keys-v1.md)
-- -------------------------------------

-- One row for each root key, without the key.
CREATE TABLE "root_keys" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "commitment" BLOB NOT NULL,
  "state" TEXT NOT NULL,
  "created_at" INTEGER NOT NULL,
  "seals" INTEGER
) STRICT;
CREATE INDEX "root_keys_state" ON "root_keys" ("state");

-- A root key as one key-encryption key wrapped it. More than one may wrap the same root key.
CREATE TABLE "root_key_wraps" (
  "root_key_id" TEXT NOT NULL,
  "kek_id" TEXT NOT NULL,
  "wrapped" BLOB NOT NULL,
  "created_at" INTEGER NOT NULL,
  PRIMARY KEY ("root_key_id", "kek_id")
) STRICT;

-- Documents and operators
-- -----------------------

-- What operators manage: clusters, mounts, policies, definitions, operators.
CREATE TABLE "documents" (
  "kind" TEXT NOT NULL,
  "name" TEXT NOT NULL,
  "uid" TEXT NOT NULL,
  "version" INTEGER NOT NULL,
  "body" TEXT NOT NULL,
  "updated_at" INTEGER NOT NULL,
  "updated_by" TEXT NOT NULL,
  "mac" BLOB NOT NULL,
  "defaults" INTEGER,
  "elevation" TEXT,
  PRIMARY KEY ("kind", "name")
) STRICT;

-- Every version of a document. A deletion is a version without a body.
CREATE TABLE "document_versions" (
  "kind" TEXT NOT NULL,
  "name" TEXT NOT NULL,
  "uid" TEXT NOT NULL,
  "version" INTEGER NOT NULL,
  "body" TEXT,
  "created_at" INTEGER NOT NULL,
  "created_by" TEXT NOT NULL,
  "mac" BLOB NOT NULL,
  "elevation" TEXT,
  PRIMARY KEY ("kind", "uid", "version")
) STRICT;
CREATE INDEX "document_versions_name" ON "document_versions" ("kind", "name", "version");

-- Bearer tokens of operators, as hashes.
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

-- Second factors of people.
CREATE TABLE "security_keys" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "person" TEXT NOT NULL,
  "body" TEXT NOT NULL,
  "counter" INTEGER NOT NULL,
  "mac" BLOB NOT NULL
) STRICT;
CREATE INDEX "security_keys_person" ON "security_keys" ("person", "id");

-- Logins of people that are finished, so that none is repeated.
CREATE TABLE "finished_logins" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "ends_at" INTEGER NOT NULL
) STRICT;
CREATE INDEX "finished_logins_ends_at" ON "finished_logins" ("ends_at");

-- Logins on another device that wait for the person. All brokers share their limits and intervals.
CREATE TABLE "device_logins" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "issuer" TEXT NOT NULL,
  "network" TEXT NOT NULL,
  "due_at" INTEGER NOT NULL,
  "slower_ms" INTEGER NOT NULL,
  "ends_at" INTEGER NOT NULL
) STRICT;
CREATE INDEX "device_logins_issuer" ON "device_logins" ("issuer", "network", "ends_at");
CREATE INDEX "device_logins_ends_at" ON "device_logins" ("ends_at");

-- Requests that another operator must approve, elevations in force, and the rule that grants need an approval.
CREATE TABLE "approvals" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "kind" TEXT NOT NULL,
  "state" TEXT NOT NULL,
  "requester" TEXT NOT NULL,
  "body" TEXT NOT NULL,
  "approved_by" TEXT,
  "created_at" INTEGER NOT NULL,
  "ends_at" INTEGER,
  "mac" BLOB NOT NULL
) STRICT;

-- Clusters and workloads
-- ----------------------

-- The code with which a cluster may enrol, and the credential that it gave (docs/spec/enrolment-v1.md).
CREATE TABLE "enrolments" (
  "cluster" TEXT NOT NULL PRIMARY KEY,
  "cluster_uid" TEXT NOT NULL,
  "api_server" TEXT NOT NULL,
  "code" TEXT,
  "code_ends_at" INTEGER,
  "attempts" INTEGER NOT NULL,
  "used_by" TEXT,
  "sealed" BLOB,
  "ends_at" INTEGER,
  "renew_at" INTEGER,
  "updated_at" INTEGER NOT NULL,
  "mac" BLOB
) STRICT;

-- Logins of workloads.
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
  "mac" BLOB NOT NULL,
  "sender_key" TEXT
) STRICT;
CREATE UNIQUE INDEX "sessions_hash" ON "sessions" ("hash");
CREATE INDEX "sessions_pod" ON "sessions" ("cluster", "pod_uid");
CREATE INDEX "sessions_ends_at" ON "sessions" ("ends_at");
CREATE INDEX "sessions_workload" ON "sessions" ("cluster", "namespace", "service_account");

-- Sessions that ended before their time, so that a copy of their row is refused.
CREATE TABLE "ended_sessions" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "ends_at" INTEGER NOT NULL,
  "mac" BLOB,
  "ends_leases" INTEGER
) STRICT;
CREATE INDEX "ended_sessions_ends_at" ON "ended_sessions" ("ends_at");

-- Workloads, pods and operators whose requests are refused.
CREATE TABLE "quarantines" (
  "kind" TEXT NOT NULL,
  "subject" TEXT NOT NULL,
  "id" TEXT NOT NULL,
  "reason" TEXT NOT NULL,
  "created_by" TEXT NOT NULL,
  "created_at" INTEGER NOT NULL,
  "ends_at" INTEGER,
  "mac" BLOB NOT NULL,
  "mode" TEXT,
  "response_id" TEXT,
  "namespace" TEXT,
  "pods" INTEGER,
  PRIMARY KEY ("kind", "subject")
) STRICT;

-- Images, nodes and containers of pods that had a session, so that an alert finds a pod that is gone.
CREATE TABLE "seen_pods" (
  "cluster" TEXT NOT NULL,
  "trait" TEXT NOT NULL,
  "uid" TEXT NOT NULL,
  "namespace" TEXT NOT NULL,
  "name" TEXT NOT NULL,
  "workload" TEXT NOT NULL,
  "seen_at" INTEGER NOT NULL,
  PRIMARY KEY ("cluster", "trait", "uid")
) STRICT;
CREATE INDEX "seen_pods_uid" ON "seen_pods" ("cluster", "uid", "trait");
CREATE INDEX "seen_pods_seen_at" ON "seen_pods" ("seen_at", "cluster", "trait", "uid");
CREATE INDEX "seen_pods_name" ON "seen_pods" ("cluster", "namespace", "name", "uid", "trait");

-- Leases and dynamic credentials
-- ------------------------------

-- The right of a session to hold one version. Ended leases stay for a day, so each query for live leases reads live rows only, in the order of an index.
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
  "purge_at" INTEGER,
  "generation" TEXT,
  "mac" BLOB
) STRICT;
CREATE INDEX "leases_workload" ON "leases" ("workload", "state");
CREATE INDEX "leases_credential" ON "leases" ("credential_id");
CREATE INDEX "leases_ends_at" ON "leases" ("state", "ends_at");
CREATE INDEX "leases_purge_at" ON "leases" ("purge_at");
CREATE INDEX "leases_path" ON "leases" ("path", "state", "id");
CREATE INDEX "leases_session" ON "leases" ("session_id", "state", "cause", "path", "id");
CREATE INDEX "leases_pod" ON "leases" ("cluster", "pod_uid", "state");
CREATE INDEX "leases_mount" ON "leases" ("mount_uid", "state");
-- A path may have very many ended leases. A live lease has no cause, so reads do not write this index.
CREATE INDEX "leases_cause" ON "leases" ("path", "cause", "id") WHERE ("cause" IS NOT NULL);

-- Dynamic credentials, from the intent to the revocation.
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
  "ends_at" INTEGER NOT NULL,
  "mac" BLOB
) STRICT;
CREATE UNIQUE INDEX "credentials_idempotency" ON "credentials" ("session_id", "idempotency_key");
CREATE INDEX "credentials_due" ON "credentials" ("state", "next_attempt_at");
CREATE INDEX "credentials_lease" ON "credentials" ("lease_id");
CREATE INDEX "credentials_pod" ON "credentials" ("cluster", "pod_uid");
CREATE INDEX "credentials_path" ON "credentials" ("path");
CREATE INDEX "credentials_mount" ON "credentials" ("mount_uid");
CREATE INDEX "credentials_ends_at" ON "credentials" ("state", "ends_at");

-- Answers that wait for the holder of their wrapping token (docs/spec/wrapped-answer-v1.md).
CREATE TABLE "wrapped_answers" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "workload" TEXT NOT NULL,
  "session_id" TEXT NOT NULL,
  "session_hash" BLOB NOT NULL,
  "path" TEXT,
  "creation_path" TEXT NOT NULL,
  "sealed" BLOB NOT NULL,
  "created_at" INTEGER NOT NULL,
  "ends_at" INTEGER NOT NULL,
  "mac" BLOB
) STRICT;
CREATE INDEX "wrapped_answers_workload" ON "wrapped_answers" ("workload");
CREATE INDEX "wrapped_answers_ends_at" ON "wrapped_answers" ("ends_at");

-- The latest report of each holder on the version that it uses.
CREATE TABLE "acknowledgements" (
  "session_id" TEXT NOT NULL,
  "path" TEXT NOT NULL,
  "workload" TEXT NOT NULL,
  "cluster" TEXT NOT NULL,
  "pod_uid" TEXT,
  "version" TEXT NOT NULL,
  "outcome" TEXT NOT NULL,
  "reason" TEXT,
  "at" INTEGER NOT NULL,
  PRIMARY KEY ("session_id", "path")
) STRICT;
CREATE INDEX "acknowledgements_path" ON "acknowledgements" ("path", "session_id");
CREATE INDEX "acknowledgements_at" ON "acknowledgements" ("at");

-- Secrets of the embedded provider (docs/spec/secret-value-v1.md)
-- ---------------------------------------------------------------

-- Heads of secrets. Versions up to deleted_through are deleted, and can be restored until destroy_at.
CREATE TABLE "secrets" (
  "path" TEXT NOT NULL PRIMARY KEY,
  "id" TEXT NOT NULL,
  "last_version" INTEGER NOT NULL,
  "current_version" INTEGER,
  "updated_at" INTEGER NOT NULL,
  "mac" BLOB NOT NULL,
  "deleted_version" INTEGER,
  "deleted_through" INTEGER,
  "destroy_at" INTEGER
) STRICT;
CREATE UNIQUE INDEX "secrets_id" ON "secrets" ("id");
CREATE INDEX "secrets_destroy_at" ON "secrets" ("destroy_at", "path");

-- Encrypted values. A version without its data key is destroyed.
CREATE TABLE "secret_versions" (
  "secret_id" TEXT NOT NULL,
  "version" INTEGER NOT NULL,
  "root_key_id" TEXT NOT NULL,
  "wrapped_dek" BLOB,
  "ciphertext" BLOB,
  "created_at" INTEGER NOT NULL,
  "created_by" TEXT NOT NULL,
  "destroyed_at" INTEGER,
  "metadata" TEXT,
  PRIMARY KEY ("secret_id", "version")
) STRICT;
CREATE INDEX "secret_versions_root_key" ON "secret_versions" ("root_key_id");

-- Texts that clients keep beside the versions.
CREATE TABLE "secret_metadata" (
  "path" TEXT NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body" TEXT NOT NULL,
  "updated_at" INTEGER NOT NULL,
  "updated_by" TEXT NOT NULL,
  "mac" BLOB
) STRICT;

-- Rotation
-- --------

-- One row for each definition that rotates.
CREATE TABLE "rotation_schedules" (
  "path" TEXT NOT NULL PRIMARY KEY,
  "definition_uid" TEXT NOT NULL,
  "definition_version" INTEGER NOT NULL,
  "next_run_at" INTEGER,
  "next_drill_at" INTEGER,
  "active_id" TEXT,
  "rotated_at" INTEGER,
  "duration_ms" INTEGER,
  "proven_at" INTEGER,
  "failures" INTEGER NOT NULL,
  "mac" BLOB
) STRICT;
CREATE INDEX "rotation_schedules_run" ON "rotation_schedules" ("next_run_at");
CREATE INDEX "rotation_schedules_drill" ON "rotation_schedules" ("next_drill_at");
CREATE INDEX "rotation_schedules_proven" ON "rotation_schedules" ("proven_at");
CREATE INDEX "rotation_schedules_rotated" ON "rotation_schedules" ("rotated_at");
CREATE INDEX "rotation_schedules_failures" ON "rotation_schedules" ("failures");

-- Rotations and drills, in progress and past.
CREATE TABLE "rotations" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "path" TEXT NOT NULL,
  "definition_uid" TEXT NOT NULL,
  "mount_uid" TEXT NOT NULL,
  "connection" TEXT NOT NULL,
  "kind" TEXT NOT NULL,
  "cause" TEXT NOT NULL,
  "comment" TEXT,
  "requested_by" TEXT NOT NULL,
  "state" TEXT NOT NULL,
  "step" TEXT NOT NULL,
  "attempts" INTEGER NOT NULL,
  "next_attempt_at" INTEGER,
  "last_error" TEXT,
  "owner" TEXT,
  "epoch" INTEGER NOT NULL,
  "claimed_until" INTEGER,
  "pending" BLOB,
  "previous" BLOB,
  "previous_version" TEXT,
  "version" TEXT,
  "canary" TEXT,
  "created_at" INTEGER NOT NULL,
  "promoted_at" INTEGER,
  "settle_until" INTEGER,
  "ended_at" INTEGER,
  "mac" BLOB
) STRICT;
CREATE INDEX "rotations_path" ON "rotations" ("path", "created_at");
CREATE INDEX "rotations_due" ON "rotations" ("next_attempt_at");
CREATE INDEX "rotations_ended" ON "rotations" ("ended_at");
CREATE INDEX "rotations_state" ON "rotations" ("state", "created_at");

-- Events of each step.
CREATE TABLE "rotation_steps" (
  "rotation_id" TEXT NOT NULL,
  "seq" INTEGER NOT NULL,
  "step" TEXT NOT NULL,
  "outcome" TEXT NOT NULL,
  "actor" TEXT NOT NULL,
  "error" TEXT,
  "at" INTEGER NOT NULL,
  PRIMARY KEY ("rotation_id", "seq")
) STRICT;

-- Images and alerts
-- -----------------

-- Signatures of images and attestations about them.
CREATE TABLE "attestations" (
  "digest" TEXT NOT NULL,
  "id" TEXT NOT NULL,
  "body" BLOB NOT NULL,
  "created_at" INTEGER NOT NULL,
  "created_by" TEXT NOT NULL,
  "mac" BLOB NOT NULL,
  "scope" TEXT,
  "recognized" INTEGER,
  "read" TEXT,
  PRIMARY KEY ("digest", "id")
) STRICT;

-- The newest report of each scanner about an image.
CREATE TABLE "image_evidence" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "kind" TEXT NOT NULL,
  "scanner" TEXT NOT NULL,
  "scanner_version" TEXT NOT NULL,
  "digests" TEXT NOT NULL,
  "config_digest" TEXT,
  "writer" TEXT NOT NULL,
  "reported_at" INTEGER NOT NULL,
  "received_at" INTEGER NOT NULL,
  "seen_at" INTEGER NOT NULL,
  "body" BLOB NOT NULL,
  "mac" BLOB,
  "scope" TEXT,
  "findings" INTEGER NOT NULL
) STRICT;

-- Alerts, and the response to each.
CREATE TABLE "alerts" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "source" TEXT NOT NULL,
  "state" TEXT NOT NULL,
  "received_at" INTEGER NOT NULL,
  "body" TEXT NOT NULL,
  "mac" BLOB,
  "namespace" TEXT,
  "next_attempt_at" INTEGER,
  "ended_at" INTEGER,
  "rotated_at" INTEGER
) STRICT;
CREATE INDEX "alerts_received_at" ON "alerts" ("received_at", "id");
CREATE INDEX "alerts_state" ON "alerts" ("state", "received_at", "id");
CREATE INDEX "alerts_due" ON "alerts" ("state", "next_attempt_at", "id");
CREATE INDEX "alerts_ended" ON "alerts" ("source", "ended_at", "id");
CREATE INDEX "alerts_rotated" ON "alerts" ("source", "rotated_at", "id");

-- The audit log (docs/spec/audit-log-v1.md)
-- -----------------------------------------

-- Entries as they were committed.
CREATE TABLE "audit_batches" (
  "writer" TEXT NOT NULL,
  "first_seq" INTEGER NOT NULL,
  "count" INTEGER NOT NULL,
  "entries" BLOB NOT NULL,
  "head" BLOB NOT NULL,
  "signature" BLOB NOT NULL,
  PRIMARY KEY ("writer", "first_seq")
) STRICT;

-- Compressed runs of batches (docs/spec/audit-segment-v1.md). A batch is in one of the two tables.
CREATE TABLE "audit_segments" (
  "first_index" INTEGER NOT NULL PRIMARY KEY,
  "count" INTEGER NOT NULL,
  "body" BLOB NOT NULL
) STRICT;

-- Which batch holds which entries of the log.
CREATE TABLE "log_segments" (
  "first_index" INTEGER NOT NULL PRIMARY KEY,
  "writer" TEXT NOT NULL,
  "first_seq" INTEGER NOT NULL,
  "count" INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX "log_segments_batch" ON "log_segments" ("writer", "first_seq");

-- Hashes of the Merkle tree.
CREATE TABLE "log_tiles" (
  "level" INTEGER NOT NULL,
  "tile_index" INTEGER NOT NULL,
  "hashes" BLOB NOT NULL,
  PRIMARY KEY ("level", "tile_index")
) STRICT;

-- Signed tree heads.
CREATE TABLE "log_checkpoints" (
  "size" INTEGER NOT NULL PRIMARY KEY,
  "at" INTEGER NOT NULL,
  "note" TEXT NOT NULL,
  "state" TEXT
) STRICT;

-- Search index.
CREATE TABLE "log_terms" (
  "kind" TEXT NOT NULL,
  "term" TEXT NOT NULL,
  "bundle" INTEGER NOT NULL,
  PRIMARY KEY ("kind", "term", "bundle")
) STRICT;

-- Read index: who read which secret, with the first and the last read.
CREATE TABLE "log_reads" (
  "reader" TEXT NOT NULL,
  "path" TEXT NOT NULL,
  "identity" TEXT NOT NULL,
  "pod" TEXT,
  "node" TEXT,
  "first_index" INTEGER NOT NULL,
  "first_at" INTEGER NOT NULL,
  "last_index" INTEGER NOT NULL,
  "last_at" INTEGER NOT NULL,
  "versions" TEXT NOT NULL,
  PRIMARY KEY ("reader", "path")
) STRICT;
CREATE INDEX "log_reads_identity" ON "log_reads" ("identity", "reader", "path");
CREATE INDEX "log_reads_node" ON "log_reads" ("node", "reader", "path");
CREATE INDEX "log_reads_path" ON "log_reads" ("path", "reader");

-- How far each receiver has the log.
CREATE TABLE "sink_cursors" (
  "sink" TEXT NOT NULL PRIMARY KEY,
  "next_index" INTEGER NOT NULL,
  "mac" BLOB
) STRICT;
