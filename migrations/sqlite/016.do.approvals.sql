CREATE TABLE "approvals" (
  "id" TEXT NOT NULL,
  "kind" TEXT NOT NULL,
  "state" TEXT NOT NULL,
  "requester" TEXT NOT NULL,
  "body" TEXT NOT NULL,
  "approved_by" TEXT,
  "created_at" INTEGER NOT NULL,
  "ends_at" INTEGER,
  "mac" BLOB NOT NULL,
  PRIMARY KEY ("id")
) STRICT;
