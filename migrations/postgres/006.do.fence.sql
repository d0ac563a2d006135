-- Always empty. Brokers lock this table while they commit, which needs a privilege on it.
CREATE TABLE "fence" (
  "id" bigint NOT NULL PRIMARY KEY
);

-- Ended leases stay for a day. Each query for live leases must read live rows only, in the order of an index.
DROP INDEX "leases_path";
CREATE INDEX "leases_path" ON "leases" ("path", "state", "id");
DROP INDEX "leases_session";
CREATE INDEX "leases_session" ON "leases" ("session_id", "state", "cause" NULLS FIRST, "path", "id");
DROP INDEX "leases_pod";
CREATE INDEX "leases_pod" ON "leases" ("cluster", "pod_uid" NULLS FIRST, "state");
DROP INDEX "leases_mount";
CREATE INDEX "leases_mount" ON "leases" ("mount_uid", "state");

-- Brokers of earlier releases take an advisory lock instead of this table's. To them, the numbers of the changes now have a gap,
-- as after a long sleep: they commit nothing more and report that they are not ready (docs/spec/store-v1.md, "Changes and the fence").
WITH "gone" AS (DELETE FROM "changes" RETURNING "seq")
INSERT INTO "changes" ("seq", "kind", "key", "at")
SELECT max("seq") + 2, 'schema', '', floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
FROM "gone" HAVING count(*) > 0;
