-- Text compares byte by byte ("C"), as in SQLite, whatever the locale of the database.

-- The store itself
-- ----------------

-- Facts of the installation, by name: its id, the mode of the store, the MAC over the root keys.
CREATE TABLE "meta" (
  "key" text COLLATE "C" NOT NULL PRIMARY KEY,
  "value" text COLLATE "C" NOT NULL
);

-- Work that only one process may do at a time, and its owner.
CREATE TABLE "claims" (
  "name" text COLLATE "C" NOT NULL PRIMARY KEY,
  "owner" text COLLATE "C" NOT NULL,
  "epoch" bigint NOT NULL,
  "until" bigint NOT NULL,
  "mac" bytea
);

-- Changes that removed access, in the order of their commits (docs/spec/store-v1.md, "Changes and the fence").
CREATE TABLE "changes" (
  "seq" bigint NOT NULL PRIMARY KEY,
  "kind" text COLLATE "C" NOT NULL,
  "key" text COLLATE "C" NOT NULL,
  "at" bigint NOT NULL
);
CREATE INDEX "changes_at" ON "changes" ("at");

-- Always empty. Brokers lock this table while they commit, which needs a privilege on it.
CREATE TABLE "fence" (
  "id" bigint NOT NULL PRIMARY KEY
);

-- Digests over all rows of a table, which reveal a deleted, replayed or forged row (docs/spec/state-digest-v1.md).
CREATE TABLE "state_digests" (
  "kind" text COLLATE "C" NOT NULL PRIMARY KEY,
  "root_key_id" text COLLATE "C" NOT NULL,
  "generation" bigint NOT NULL,
  "count" bigint NOT NULL,
  "state" bytea NOT NULL,
  "mac" bytea NOT NULL
);

-- Root keys (docs/spec/root-keys-v1.md)
-- -------------------------------------

-- One row for each root key, without the key.
CREATE TABLE "root_keys" (
  "id" text COLLATE "C" NOT NULL PRIMARY KEY,
  "commitment" bytea NOT NULL,
  "state" text COLLATE "C" NOT NULL,
  "created_at" bigint NOT NULL,
  "seals" bigint
);
CREATE INDEX "root_keys_state" ON "root_keys" ("state");

-- A root key as one key-encryption key wrapped it. More than one may wrap the same root key.
CREATE TABLE "root_key_wraps" (
  "root_key_id" text COLLATE "C" NOT NULL,
  "kek_id" text COLLATE "C" NOT NULL,
  "wrapped" bytea NOT NULL,
  "created_at" bigint NOT NULL,
  PRIMARY KEY ("root_key_id", "kek_id")
);

-- Documents and operators
-- -----------------------

-- What operators manage: clusters, mounts, policies, definitions, operators.
CREATE TABLE "documents" (
  "kind" text COLLATE "C" NOT NULL,
  "name" text COLLATE "C" NOT NULL,
  "uid" text COLLATE "C" NOT NULL,
  "version" bigint NOT NULL,
  "body" text COLLATE "C" NOT NULL,
  "updated_at" bigint NOT NULL,
  "updated_by" text COLLATE "C" NOT NULL,
  "mac" bytea NOT NULL,
  "defaults" bigint,
  "elevation" text COLLATE "C",
  PRIMARY KEY ("kind", "name")
);

-- Every version of a document. A deletion is a version without a body.
CREATE TABLE "document_versions" (
  "kind" text COLLATE "C" NOT NULL,
  "name" text COLLATE "C" NOT NULL,
  "uid" text COLLATE "C" NOT NULL,
  "version" bigint NOT NULL,
  "body" text COLLATE "C",
  "created_at" bigint NOT NULL,
  "created_by" text COLLATE "C" NOT NULL,
  "mac" bytea NOT NULL,
  "elevation" text COLLATE "C",
  PRIMARY KEY ("kind", "uid", "version")
);
CREATE INDEX "document_versions_name" ON "document_versions" ("kind", "name", "version");

-- Bearer tokens of operators, as hashes.
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

-- Second factors of people.
CREATE TABLE "security_keys" (
  "id" text COLLATE "C" NOT NULL PRIMARY KEY,
  "person" text COLLATE "C" NOT NULL,
  "body" text COLLATE "C" NOT NULL,
  "counter" bigint NOT NULL,
  "mac" bytea NOT NULL
);
CREATE INDEX "security_keys_person" ON "security_keys" ("person", "id");

-- Logins of people that are finished, so that none is repeated.
CREATE TABLE "finished_logins" (
  "id" text COLLATE "C" NOT NULL PRIMARY KEY,
  "ends_at" bigint NOT NULL
);
CREATE INDEX "finished_logins_ends_at" ON "finished_logins" ("ends_at");

-- Logins on another device that wait for the person. All brokers share their limits and intervals.
CREATE TABLE "device_logins" (
  "id" text COLLATE "C" NOT NULL PRIMARY KEY,
  "issuer" text COLLATE "C" NOT NULL,
  "network" text COLLATE "C" NOT NULL,
  "due_at" bigint NOT NULL,
  "slower_ms" bigint NOT NULL,
  "ends_at" bigint NOT NULL
);
CREATE INDEX "device_logins_issuer" ON "device_logins" ("issuer", "network", "ends_at");
CREATE INDEX "device_logins_ends_at" ON "device_logins" ("ends_at");

-- Requests that another operator must approve, elevations in force, and the rule that grants need an approval.
CREATE TABLE "approvals" (
  "id" text COLLATE "C" NOT NULL PRIMARY KEY,
  "kind" text COLLATE "C" NOT NULL,
  "state" text COLLATE "C" NOT NULL,
  "requester" text COLLATE "C" NOT NULL,
  "body" text COLLATE "C" NOT NULL,
  "approved_by" text COLLATE "C",
  "created_at" bigint NOT NULL,
  "ends_at" bigint,
  "mac" bytea NOT NULL
);

-- Clusters and workloads
-- ----------------------

-- The code with which a cluster may enrol, and the credential that it gave (docs/spec/enrolment-v1.md).
CREATE TABLE "enrolments" (
  "cluster" text COLLATE "C" NOT NULL PRIMARY KEY,
  "cluster_uid" text COLLATE "C" NOT NULL,
  "api_server" text COLLATE "C" NOT NULL,
  "code" text COLLATE "C",
  "code_ends_at" bigint,
  "attempts" bigint NOT NULL,
  "used_by" text COLLATE "C",
  "sealed" bytea,
  "ends_at" bigint,
  "renew_at" bigint,
  "updated_at" bigint NOT NULL,
  "mac" bytea
);

-- Logins of workloads.
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
  "mac" bytea NOT NULL,
  "sender_key" text COLLATE "C"
);
CREATE UNIQUE INDEX "sessions_hash" ON "sessions" ("hash");
CREATE INDEX "sessions_pod" ON "sessions" ("cluster", "pod_uid" NULLS FIRST);
CREATE INDEX "sessions_ends_at" ON "sessions" ("ends_at");
CREATE INDEX "sessions_workload" ON "sessions" ("cluster", "namespace", "service_account");

-- Sessions that ended before their time, so that a copy of their row is refused.
CREATE TABLE "ended_sessions" (
  "id" text COLLATE "C" NOT NULL PRIMARY KEY,
  "ends_at" bigint NOT NULL,
  "mac" bytea,
  "ends_leases" bigint
);
CREATE INDEX "ended_sessions_ends_at" ON "ended_sessions" ("ends_at");

-- Workloads, pods and operators whose requests are refused.
CREATE TABLE "quarantines" (
  "kind" text COLLATE "C" NOT NULL,
  "subject" text COLLATE "C" NOT NULL,
  "id" text COLLATE "C" NOT NULL,
  "reason" text COLLATE "C" NOT NULL,
  "created_by" text COLLATE "C" NOT NULL,
  "created_at" bigint NOT NULL,
  "ends_at" bigint,
  "mac" bytea NOT NULL,
  "mode" text COLLATE "C",
  "response_id" text COLLATE "C",
  "namespace" text COLLATE "C",
  "pods" bigint,
  PRIMARY KEY ("kind", "subject")
);

-- Images, nodes and containers of pods that had a session, so that an alert finds a pod that is gone.
CREATE TABLE "seen_pods" (
  "cluster" text COLLATE "C" NOT NULL,
  "trait" text COLLATE "C" NOT NULL,
  "uid" text COLLATE "C" NOT NULL,
  "namespace" text COLLATE "C" NOT NULL,
  "name" text COLLATE "C" NOT NULL,
  "workload" text COLLATE "C" NOT NULL,
  "seen_at" bigint NOT NULL,
  PRIMARY KEY ("cluster", "trait", "uid")
);
CREATE INDEX "seen_pods_uid" ON "seen_pods" ("cluster", "uid", "trait");
CREATE INDEX "seen_pods_seen_at" ON "seen_pods" ("seen_at", "cluster", "trait", "uid");
CREATE INDEX "seen_pods_name" ON "seen_pods" ("cluster", "namespace", "name", "uid", "trait");

-- Leases and dynamic credentials
-- ------------------------------

-- The right of a session to hold one version. Ended leases stay for a day, so each query for live leases reads live rows only, in the order of an index.
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
  "purge_at" bigint,
  "generation" text COLLATE "C",
  "mac" bytea
);
CREATE INDEX "leases_workload" ON "leases" ("workload", "state");
CREATE INDEX "leases_credential" ON "leases" ("credential_id" NULLS FIRST);
CREATE INDEX "leases_ends_at" ON "leases" ("state", "ends_at");
CREATE INDEX "leases_purge_at" ON "leases" ("purge_at" NULLS FIRST);
CREATE INDEX "leases_path" ON "leases" ("path", "state", "id");
CREATE INDEX "leases_session" ON "leases" ("session_id", "state", "cause" NULLS FIRST, "path", "id");
CREATE INDEX "leases_pod" ON "leases" ("cluster", "pod_uid" NULLS FIRST, "state");
CREATE INDEX "leases_mount" ON "leases" ("mount_uid", "state");
-- A path may have very many ended leases. A live lease has no cause, so reads do not write this index.
CREATE INDEX "leases_cause" ON "leases" ("path", "cause", "id") WHERE ("cause" IS NOT NULL);

-- Dynamic credentials, from the intent to the revocation.
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
  "ends_at" bigint NOT NULL,
  "mac" bytea
);
CREATE UNIQUE INDEX "credentials_idempotency" ON "credentials" ("session_id", "idempotency_key");
CREATE INDEX "credentials_due" ON "credentials" ("state", "next_attempt_at" NULLS FIRST);
CREATE INDEX "credentials_lease" ON "credentials" ("lease_id");
CREATE INDEX "credentials_pod" ON "credentials" ("cluster", "pod_uid" NULLS FIRST);
CREATE INDEX "credentials_path" ON "credentials" ("path");
CREATE INDEX "credentials_mount" ON "credentials" ("mount_uid");
CREATE INDEX "credentials_ends_at" ON "credentials" ("state", "ends_at");

-- Answers that wait for the holder of their wrapping token (docs/spec/wrapped-answer-v1.md).
CREATE TABLE "wrapped_answers" (
  "id" text COLLATE "C" NOT NULL PRIMARY KEY,
  "workload" text COLLATE "C" NOT NULL,
  "session_id" text COLLATE "C" NOT NULL,
  "session_hash" bytea NOT NULL,
  "path" text COLLATE "C",
  "creation_path" text COLLATE "C" NOT NULL,
  "sealed" bytea NOT NULL,
  "created_at" bigint NOT NULL,
  "ends_at" bigint NOT NULL,
  "mac" bytea
);
CREATE INDEX "wrapped_answers_workload" ON "wrapped_answers" ("workload");
CREATE INDEX "wrapped_answers_ends_at" ON "wrapped_answers" ("ends_at");

-- The latest report of each holder on the version that it uses.
CREATE TABLE "acknowledgements" (
  "session_id" text COLLATE "C" NOT NULL,
  "path" text COLLATE "C" NOT NULL,
  "workload" text COLLATE "C" NOT NULL,
  "cluster" text COLLATE "C" NOT NULL,
  "pod_uid" text COLLATE "C",
  "version" text COLLATE "C" NOT NULL,
  "outcome" text COLLATE "C" NOT NULL,
  "reason" text COLLATE "C",
  "at" bigint NOT NULL,
  PRIMARY KEY ("session_id", "path")
);
CREATE INDEX "acknowledgements_path" ON "acknowledgements" ("path", "session_id");
CREATE INDEX "acknowledgements_at" ON "acknowledgements" ("at");

-- Secrets of the embedded provider (docs/spec/secret-value-v1.md)
-- ---------------------------------------------------------------

-- Heads of secrets. Versions up to deleted_through are deleted, and can be restored until destroy_at.
CREATE TABLE "secrets" (
  "path" text COLLATE "C" NOT NULL PRIMARY KEY,
  "id" text COLLATE "C" NOT NULL,
  "last_version" bigint NOT NULL,
  "current_version" bigint,
  "updated_at" bigint NOT NULL,
  "mac" bytea NOT NULL,
  "deleted_version" bigint,
  "deleted_through" bigint,
  "destroy_at" bigint
);
CREATE UNIQUE INDEX "secrets_id" ON "secrets" ("id");
CREATE INDEX "secrets_destroy_at" ON "secrets" ("destroy_at", "path");

-- Encrypted values. A version without its data key is destroyed.
CREATE TABLE "secret_versions" (
  "secret_id" text COLLATE "C" NOT NULL,
  "version" bigint NOT NULL,
  "root_key_id" text COLLATE "C" NOT NULL,
  "wrapped_dek" bytea,
  "ciphertext" bytea,
  "created_at" bigint NOT NULL,
  "created_by" text COLLATE "C" NOT NULL,
  "destroyed_at" bigint,
  "metadata" text COLLATE "C",
  PRIMARY KEY ("secret_id", "version")
);
CREATE INDEX "secret_versions_root_key" ON "secret_versions" ("root_key_id");

-- Texts that clients keep beside the versions.
CREATE TABLE "secret_metadata" (
  "path" text COLLATE "C" NOT NULL PRIMARY KEY,
  "version" bigint NOT NULL,
  "body" text COLLATE "C" NOT NULL,
  "updated_at" bigint NOT NULL,
  "updated_by" text COLLATE "C" NOT NULL,
  "mac" bytea
);

-- Rotation
-- --------

-- One row for each definition that rotates.
CREATE TABLE "rotation_schedules" (
  "path" text COLLATE "C" NOT NULL PRIMARY KEY,
  "definition_uid" text COLLATE "C" NOT NULL,
  "definition_version" bigint NOT NULL,
  "next_run_at" bigint,
  "next_drill_at" bigint,
  "active_id" text COLLATE "C",
  "rotated_at" bigint,
  "duration_ms" bigint,
  "proven_at" bigint,
  "failures" bigint NOT NULL,
  "mac" bytea
);
CREATE INDEX "rotation_schedules_run" ON "rotation_schedules" ("next_run_at" NULLS FIRST);
CREATE INDEX "rotation_schedules_drill" ON "rotation_schedules" ("next_drill_at" NULLS FIRST);
CREATE INDEX "rotation_schedules_proven" ON "rotation_schedules" ("proven_at" NULLS FIRST);
CREATE INDEX "rotation_schedules_rotated" ON "rotation_schedules" ("rotated_at" NULLS FIRST);
CREATE INDEX "rotation_schedules_failures" ON "rotation_schedules" ("failures");

-- Rotations and drills, in progress and past.
CREATE TABLE "rotations" (
  "id" text COLLATE "C" NOT NULL PRIMARY KEY,
  "path" text COLLATE "C" NOT NULL,
  "definition_uid" text COLLATE "C" NOT NULL,
  "mount_uid" text COLLATE "C" NOT NULL,
  "connection" text COLLATE "C" NOT NULL,
  "kind" text COLLATE "C" NOT NULL,
  "cause" text COLLATE "C" NOT NULL,
  "comment" text COLLATE "C",
  "requested_by" text COLLATE "C" NOT NULL,
  "state" text COLLATE "C" NOT NULL,
  "step" text COLLATE "C" NOT NULL,
  "attempts" bigint NOT NULL,
  "next_attempt_at" bigint,
  "last_error" text COLLATE "C",
  "owner" text COLLATE "C",
  "epoch" bigint NOT NULL,
  "claimed_until" bigint,
  "pending" bytea,
  "previous" bytea,
  "previous_version" text COLLATE "C",
  "version" text COLLATE "C",
  "canary" text COLLATE "C",
  "created_at" bigint NOT NULL,
  "promoted_at" bigint,
  "settle_until" bigint,
  "ended_at" bigint,
  "mac" bytea
);
CREATE INDEX "rotations_path" ON "rotations" ("path", "created_at");
CREATE INDEX "rotations_due" ON "rotations" ("next_attempt_at" NULLS FIRST);
CREATE INDEX "rotations_ended" ON "rotations" ("ended_at" NULLS FIRST);
CREATE INDEX "rotations_state" ON "rotations" ("state", "created_at");

-- Events of each step.
CREATE TABLE "rotation_steps" (
  "rotation_id" text COLLATE "C" NOT NULL,
  "seq" bigint NOT NULL,
  "step" text COLLATE "C" NOT NULL,
  "outcome" text COLLATE "C" NOT NULL,
  "actor" text COLLATE "C" NOT NULL,
  "error" text COLLATE "C",
  "at" bigint NOT NULL,
  PRIMARY KEY ("rotation_id", "seq")
);

-- Images and alerts
-- -----------------

-- Signatures of images and attestations about them.
CREATE TABLE "attestations" (
  "digest" text COLLATE "C" NOT NULL,
  "id" text COLLATE "C" NOT NULL,
  "body" bytea NOT NULL,
  "created_at" bigint NOT NULL,
  "created_by" text COLLATE "C" NOT NULL,
  "mac" bytea NOT NULL,
  "scope" text COLLATE "C",
  "recognized" bigint,
  "read" text COLLATE "C",
  PRIMARY KEY ("digest", "id")
);

-- The newest report of each scanner about an image.
CREATE TABLE "image_evidence" (
  "id" text COLLATE "C" NOT NULL PRIMARY KEY,
  "kind" text COLLATE "C" NOT NULL,
  "scanner" text COLLATE "C" NOT NULL,
  "scanner_version" text COLLATE "C" NOT NULL,
  "digests" text COLLATE "C" NOT NULL,
  "config_digest" text COLLATE "C",
  "writer" text COLLATE "C" NOT NULL,
  "reported_at" bigint NOT NULL,
  "received_at" bigint NOT NULL,
  "seen_at" bigint NOT NULL,
  "body" bytea NOT NULL,
  "mac" bytea,
  "scope" text COLLATE "C",
  "findings" bigint NOT NULL
);

-- Alerts, and the response to each.
CREATE TABLE "alerts" (
  "id" text COLLATE "C" NOT NULL PRIMARY KEY,
  "source" text COLLATE "C" NOT NULL,
  "state" text COLLATE "C" NOT NULL,
  "received_at" bigint NOT NULL,
  "body" text COLLATE "C" NOT NULL,
  "mac" bytea,
  "namespace" text COLLATE "C",
  "next_attempt_at" bigint,
  "ended_at" bigint,
  "rotated_at" bigint
);
CREATE INDEX "alerts_received_at" ON "alerts" ("received_at", "id");
CREATE INDEX "alerts_state" ON "alerts" ("state", "received_at", "id");
CREATE INDEX "alerts_due" ON "alerts" ("state", "next_attempt_at", "id");
CREATE INDEX "alerts_ended" ON "alerts" ("source", "ended_at", "id");
CREATE INDEX "alerts_rotated" ON "alerts" ("source", "rotated_at", "id");

-- The audit log (docs/spec/audit-log-v1.md)
-- -----------------------------------------

-- Entries as they were committed.
CREATE TABLE "audit_batches" (
  "writer" text COLLATE "C" NOT NULL,
  "first_seq" bigint NOT NULL,
  "count" bigint NOT NULL,
  "entries" bytea NOT NULL,
  "head" bytea NOT NULL,
  "signature" bytea NOT NULL,
  PRIMARY KEY ("writer", "first_seq")
);

-- Compressed runs of batches (docs/spec/audit-segment-v1.md). A batch is in one of the two tables.
CREATE TABLE "audit_segments" (
  "first_index" bigint NOT NULL PRIMARY KEY,
  "count" bigint NOT NULL,
  "body" bytea NOT NULL
);
-- The body is compressed already.
ALTER TABLE "audit_segments" ALTER COLUMN "body" SET STORAGE EXTERNAL;

-- Which batch holds which entries of the log.
CREATE TABLE "log_segments" (
  "first_index" bigint NOT NULL PRIMARY KEY,
  "writer" text COLLATE "C" NOT NULL,
  "first_seq" bigint NOT NULL,
  "count" bigint NOT NULL
);
CREATE UNIQUE INDEX "log_segments_batch" ON "log_segments" ("writer", "first_seq");

-- Hashes of the Merkle tree.
CREATE TABLE "log_tiles" (
  "level" bigint NOT NULL,
  "tile_index" bigint NOT NULL,
  "hashes" bytea NOT NULL,
  PRIMARY KEY ("level", "tile_index")
);

-- Signed tree heads.
CREATE TABLE "log_checkpoints" (
  "size" bigint NOT NULL PRIMARY KEY,
  "at" bigint NOT NULL,
  "note" text COLLATE "C" NOT NULL,
  "state" text COLLATE "C"
);

-- Search index.
CREATE TABLE "log_terms" (
  "kind" text COLLATE "C" NOT NULL,
  "term" text COLLATE "C" NOT NULL,
  "bundle" bigint NOT NULL,
  PRIMARY KEY ("kind", "term", "bundle")
);

-- Read index: who read which secret, with the first and the last read.
CREATE TABLE "log_reads" (
  "reader" text COLLATE "C" NOT NULL,
  "path" text COLLATE "C" NOT NULL,
  "identity" text COLLATE "C" NOT NULL,
  "pod" text COLLATE "C",
  "node" text COLLATE "C",
  "first_index" bigint NOT NULL,
  "first_at" bigint NOT NULL,
  "last_index" bigint NOT NULL,
  "last_at" bigint NOT NULL,
  "versions" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("reader", "path")
);
CREATE INDEX "log_reads_identity" ON "log_reads" ("identity", "reader", "path");
CREATE INDEX "log_reads_node" ON "log_reads" ("node", "reader", "path");
CREATE INDEX "log_reads_path" ON "log_reads" ("path", "reader");

-- How far each receiver has the log.
CREATE TABLE "sink_cursors" (
  "sink" text COLLATE "C" NOT NULL PRIMARY KEY,
  "next_index" bigint NOT NULL,
  "mac" bytea
);
