CREATE TABLE "quarantines" (
  "kind" text COLLATE "C" NOT NULL,
  "subject" text COLLATE "C" NOT NULL,
  "id" text COLLATE "C" NOT NULL,
  "reason" text COLLATE "C" NOT NULL,
  "created_by" text COLLATE "C" NOT NULL,
  "created_at" bigint NOT NULL,
  "ends_at" bigint,
  "mac" bytea NOT NULL,
  PRIMARY KEY ("kind", "subject")
);

CREATE INDEX "sessions_workload" ON "sessions" ("cluster", "namespace", "service_account");
