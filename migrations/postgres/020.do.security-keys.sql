CREATE TABLE "security_keys" (
  "id" text COLLATE "C" NOT NULL,
  "person" text COLLATE "C" NOT NULL,
  "body" text COLLATE "C" NOT NULL,
  "counter" bigint NOT NULL,
  "mac" bytea NOT NULL,
  PRIMARY KEY ("id")
);
CREATE INDEX "security_keys_person" ON "security_keys" ("person", "id");
