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
