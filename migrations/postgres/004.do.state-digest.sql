-- MACs of rows that drive effects, and the digests that find rows which were deleted, replayed or forged (docs/spec/state-digest-v1.md).
-- Brokers of earlier releases must not run beside this one: they do not keep MACs and digests right. 006 stops them.
ALTER TABLE "credentials" ADD COLUMN "mac" bytea;
ALTER TABLE "rotation_schedules" ADD COLUMN "mac" bytea;
ALTER TABLE "rotations" ADD COLUMN "mac" bytea;
ALTER TABLE "log_checkpoints" ADD COLUMN "state" text COLLATE "C";
CREATE INDEX "credentials_ends_at" ON "credentials" ("state", "ends_at");

CREATE TABLE "state_digests" (
  "kind" text COLLATE "C" NOT NULL PRIMARY KEY,
  "root_key_id" text COLLATE "C" NOT NULL,
  "generation" bigint NOT NULL,
  "count" bigint NOT NULL,
  "state" bytea NOT NULL,
  "mac" bytea NOT NULL
);

CREATE TABLE "ended_sessions" (
  "id" text COLLATE "C" NOT NULL PRIMARY KEY,
  "ends_at" bigint NOT NULL,
  "mac" bytea
);
CREATE INDEX "ended_sessions_ends_at" ON "ended_sessions" ("ends_at");
