CREATE TABLE "quarantines" (
  "kind" TEXT NOT NULL,
  "subject" TEXT NOT NULL,
  "id" TEXT NOT NULL,
  "reason" TEXT NOT NULL,
  "created_by" TEXT NOT NULL,
  "created_at" INTEGER NOT NULL,
  "ends_at" INTEGER,
  "mac" BLOB NOT NULL,
  PRIMARY KEY ("kind", "subject")
) STRICT;

CREATE INDEX "sessions_workload" ON "sessions" ("cluster", "namespace", "service_account");
