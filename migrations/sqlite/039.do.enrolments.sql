-- Enrolments of clusters: the code with which a cluster may enrol, and the credential that it gave (docs/spec/enrolment-v1.md).
CREATE TABLE "enrolments" (
  "cluster" TEXT NOT NULL PRIMARY KEY,
  "cluster_uid" TEXT NOT NULL,
  "api_server" TEXT NOT NULL,
  "code" TEXT,
  "code_ends_at" INTEGER,
  "attempts" INTEGER NOT NULL,
  "used_by" TEXT,
  "sealed" BLOB,
  "ends_at" INTEGER,
  "renew_at" INTEGER,
  "updated_at" INTEGER NOT NULL,
  "mac" BLOB
) STRICT;
