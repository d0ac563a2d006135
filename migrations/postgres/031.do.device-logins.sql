CREATE TABLE "device_logins" (
  "id" text COLLATE "C" NOT NULL,
  "issuer" text COLLATE "C" NOT NULL,
  "network" text COLLATE "C" NOT NULL,
  "due_at" bigint NOT NULL,
  "slower_ms" bigint NOT NULL,
  "ends_at" bigint NOT NULL,
  PRIMARY KEY ("id")
);
CREATE INDEX "device_logins_issuer" ON "device_logins" ("issuer", "network", "ends_at");
CREATE INDEX "device_logins_ends_at" ON "device_logins" ("ends_at");
