-- Custom metadata of secrets: texts that clients keep beside the versions (docs/spec/secret-value-v1.md).
CREATE TABLE "secret_metadata" (
  "path" TEXT NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body" TEXT NOT NULL,
  "updated_at" INTEGER NOT NULL,
  "updated_by" TEXT NOT NULL,
  "mac" BLOB
) STRICT;
