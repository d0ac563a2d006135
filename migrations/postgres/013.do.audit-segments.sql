-- Compressed runs of batches (docs/spec/audit-segment-v1.md). A batch is in one of the two tables.

CREATE TABLE "audit_segments" (
  "first_index" bigint NOT NULL,
  "count" bigint NOT NULL,
  "body" bytea NOT NULL,
  PRIMARY KEY ("first_index")
);
-- The body is compressed already.
ALTER TABLE "audit_segments" ALTER COLUMN "body" SET STORAGE EXTERNAL;
