-- MACs of rows that drive effects, and the digests that find rows which were deleted, replayed or forged (docs/spec/state-digest-v1.md).
ALTER TABLE "credentials" ADD COLUMN "mac" BLOB;
ALTER TABLE "rotation_schedules" ADD COLUMN "mac" BLOB;
ALTER TABLE "rotations" ADD COLUMN "mac" BLOB;
ALTER TABLE "log_checkpoints" ADD COLUMN "state" TEXT;
CREATE INDEX "credentials_ends_at" ON "credentials" ("state", "ends_at");

CREATE TABLE "state_digests" (
  "kind" TEXT NOT NULL PRIMARY KEY,
  "root_key_id" TEXT NOT NULL,
  "generation" INTEGER NOT NULL,
  "count" INTEGER NOT NULL,
  "state" BLOB NOT NULL,
  "mac" BLOB NOT NULL
) STRICT;

CREATE TABLE "ended_sessions" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "ends_at" INTEGER NOT NULL,
  "mac" BLOB
) STRICT;
CREATE INDEX "ended_sessions_ends_at" ON "ended_sessions" ("ends_at");
