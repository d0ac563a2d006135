-- Compressed runs of batches (docs/spec/audit-segment-v1.md). A batch is in one of the two tables.

CREATE TABLE "audit_segments" (
  "first_index" INTEGER NOT NULL PRIMARY KEY,
  "count" INTEGER NOT NULL,
  "body" BLOB NOT NULL
) STRICT;
