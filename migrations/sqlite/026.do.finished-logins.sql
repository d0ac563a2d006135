CREATE TABLE "finished_logins" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "ends_at" INTEGER NOT NULL
) STRICT;
CREATE INDEX "finished_logins_ends_at" ON "finished_logins" ("ends_at");
