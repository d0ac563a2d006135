-- Who read which secret, with the first and the last read (docs/spec/audit-log-v1.md, "Read index"). Built from the log.
CREATE TABLE "log_reads" (
  "reader" TEXT NOT NULL,
  "path" TEXT NOT NULL,
  "identity" TEXT NOT NULL,
  "pod" TEXT,
  "node" TEXT,
  "first_index" INTEGER NOT NULL,
  "first_at" INTEGER NOT NULL,
  "last_index" INTEGER NOT NULL,
  "last_at" INTEGER NOT NULL,
  "versions" TEXT NOT NULL,
  PRIMARY KEY ("reader", "path")
) STRICT;
CREATE INDEX "log_reads_identity" ON "log_reads" ("identity", "reader", "path");
CREATE INDEX "log_reads_node" ON "log_reads" ("node", "reader", "path");
CREATE INDEX "log_reads_path" ON "log_reads" ("path", "reader");
