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
  "failures" bigint NOT NULL
);
CREATE INDEX "rotation_schedules_run" ON "rotation_schedules" ("next_run_at" NULLS FIRST);
CREATE INDEX "rotation_schedules_drill" ON "rotation_schedules" ("next_drill_at" NULLS FIRST);
CREATE INDEX "rotation_schedules_proven" ON "rotation_schedules" ("proven_at" NULLS FIRST);
CREATE INDEX "rotation_schedules_rotated" ON "rotation_schedules" ("rotated_at" NULLS FIRST);
CREATE INDEX "rotation_schedules_failures" ON "rotation_schedules" ("failures");

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
  "ended_at" bigint
);
CREATE INDEX "rotations_path" ON "rotations" ("path", "created_at");
CREATE INDEX "rotations_due" ON "rotations" ("next_attempt_at" NULLS FIRST);
CREATE INDEX "rotations_ended" ON "rotations" ("ended_at" NULLS FIRST);
CREATE INDEX "rotations_state" ON "rotations" ("state", "created_at");

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
