-- Which place at which backend the version of a lease is of. Null in rows of earlier releases: those count for every place until they end.
ALTER TABLE "leases" ADD COLUMN "generation" text COLLATE "C";
