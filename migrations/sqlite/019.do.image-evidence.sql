CREATE TABLE "image_evidence" (
  "id" TEXT NOT NULL,
  "kind" TEXT NOT NULL,
  "scanner" TEXT NOT NULL,
  "scanner_version" TEXT NOT NULL,
  "digests" TEXT NOT NULL,
  "config_digest" TEXT,
  "writer" TEXT NOT NULL,
  "reported_at" INTEGER NOT NULL,
  "received_at" INTEGER NOT NULL,
  "seen_at" INTEGER NOT NULL,
  "body" BLOB NOT NULL,
  "mac" BLOB,
  PRIMARY KEY ("id")
) STRICT;
