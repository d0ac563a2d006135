-- MACs of leases and claims (docs/spec/row-mac-v1.md). Null in rows of earlier releases, until the first start of this one seals them.
ALTER TABLE "leases" ADD COLUMN "mac" bytea;
ALTER TABLE "claims" ADD COLUMN "mac" bytea;

-- Brokers of earlier releases must not write leases and claims beside this one: they make no MACs. A gap in the numbers of the changes stops
-- them, as in 006.
WITH "gone" AS (DELETE FROM "changes" RETURNING "seq")
INSERT INTO "changes" ("seq", "kind", "key", "at")
SELECT max("seq") + 2, 'schema', '', floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
FROM "gone" HAVING count(*) > 0;
