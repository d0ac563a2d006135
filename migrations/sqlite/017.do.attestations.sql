CREATE TABLE "attestations" (
  "digest" TEXT NOT NULL,
  "id" TEXT NOT NULL,
  "body" BLOB NOT NULL,
  "created_at" INTEGER NOT NULL,
  "created_by" TEXT NOT NULL,
  "mac" BLOB NOT NULL,
  PRIMARY KEY ("digest", "id")
) STRICT;
