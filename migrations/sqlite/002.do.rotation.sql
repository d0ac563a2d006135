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
  "failures" INTEGER NOT NULL
) STRICT;
CREATE INDEX "rotation_schedules_run" ON "rotation_schedules" ("next_run_at");
CREATE INDEX "rotation_schedules_drill" ON "rotation_schedules" ("next_drill_at");
CREATE INDEX "rotation_schedules_proven" ON "rotation_schedules" ("proven_at");
CREATE INDEX "rotation_schedules_rotated" ON "rotation_schedules" ("rotated_at");
CREATE INDEX "rotation_schedules_failures" ON "rotation_schedules" ("failures");

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
  "ended_at" INTEGER
) STRICT;
CREATE INDEX "rotations_path" ON "rotations" ("path", "created_at");
CREATE INDEX "rotations_due" ON "rotations" ("next_attempt_at");
CREATE INDEX "rotations_ended" ON "rotations" ("ended_at");
CREATE INDEX "rotations_state" ON "rotations" ("state", "created_at");

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
