-- Logins on another device that wait for the person, so that all brokers share their bounds and their intervals (docs/people.md, "Logins on another device").
CREATE TABLE "device_logins" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "issuer" TEXT NOT NULL,
  "network" TEXT NOT NULL,
  "due_at" INTEGER NOT NULL,
  "slower_ms" INTEGER NOT NULL,
  "ends_at" INTEGER NOT NULL
) STRICT;
CREATE INDEX "device_logins_issuer" ON "device_logins" ("issuer", "network", "ends_at");
CREATE INDEX "device_logins_ends_at" ON "device_logins" ("ends_at");
