CREATE TABLE "finished_logins" (
  "id" text COLLATE "C" NOT NULL,
  "ends_at" bigint NOT NULL,
  PRIMARY KEY ("id")
);
CREATE INDEX "finished_logins_ends_at" ON "finished_logins" ("ends_at");
