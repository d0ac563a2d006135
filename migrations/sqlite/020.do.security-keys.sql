CREATE TABLE "security_keys" (
  "id" TEXT NOT NULL,
  "person" TEXT NOT NULL,
  "body" TEXT NOT NULL,
  "counter" INTEGER NOT NULL,
  "mac" BLOB NOT NULL,
  PRIMARY KEY ("id")
) STRICT;
CREATE INDEX "security_keys_person" ON "security_keys" ("person", "id");
