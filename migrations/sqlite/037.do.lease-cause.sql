-- Finds the leases of a path that a rotation ended. Ended leases stay for a day, and a path may have very many. A live lease has no cause, so reads do not write this index.
CREATE INDEX "leases_cause" ON "leases" ("path", "cause", "id") WHERE ("cause" IS NOT NULL);
