-- Answers that wait for the holder of their wrapping token (docs/spec/wrapped-answer-v1.md).
CREATE TABLE "wrapped_answers" (
  "id" text COLLATE "C" NOT NULL,
  "workload" text COLLATE "C" NOT NULL,
  "session_id" text COLLATE "C" NOT NULL,
  "session_hash" bytea NOT NULL,
  "path" text COLLATE "C",
  "creation_path" text COLLATE "C" NOT NULL,
  "sealed" bytea NOT NULL,
  "created_at" bigint NOT NULL,
  "ends_at" bigint NOT NULL,
  "mac" bytea,
  PRIMARY KEY ("id")
);
CREATE INDEX "wrapped_answers_workload" ON "wrapped_answers" ("workload");
CREATE INDEX "wrapped_answers_ends_at" ON "wrapped_answers" ("ends_at");
