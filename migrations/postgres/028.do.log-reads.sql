-- Who read which secret, with the first and the last read (docs/spec/audit-log-v1.md, "Read index"). Built from the log.
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
