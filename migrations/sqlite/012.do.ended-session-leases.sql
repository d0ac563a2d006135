-- 1 if the leases of an ended session end too. Null in rows of earlier releases, whose leases end at their own time.
ALTER TABLE "ended_sessions" ADD COLUMN "ends_leases" INTEGER;
