-- Always empty. Brokers on PostgreSQL lock this table while they commit; SQLite has one process and needs no lock.
CREATE TABLE "fence" (
  "id" INTEGER NOT NULL PRIMARY KEY
) STRICT;

-- Ended leases stay for a day. Each query for live leases must read live rows only, in the order of an index.
DROP INDEX "leases_path";
CREATE INDEX "leases_path" ON "leases" ("path", "state", "id");
DROP INDEX "leases_session";
CREATE INDEX "leases_session" ON "leases" ("session_id", "state", "cause", "path", "id");
DROP INDEX "leases_pod";
CREATE INDEX "leases_pod" ON "leases" ("cluster", "pod_uid", "state");
DROP INDEX "leases_mount";
CREATE INDEX "leases_mount" ON "leases" ("mount_uid", "state");
