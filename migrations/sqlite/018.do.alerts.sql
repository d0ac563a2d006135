CREATE TABLE "alerts" (
  "id" TEXT NOT NULL,
  "source" TEXT NOT NULL,
  "state" TEXT NOT NULL,
  "received_at" INTEGER NOT NULL,
  "body" TEXT NOT NULL,
  "mac" BLOB,
  PRIMARY KEY ("id")
) STRICT;
CREATE INDEX "alerts_received_at" ON "alerts" ("received_at", "id");
CREATE INDEX "alerts_state" ON "alerts" ("state", "received_at", "id");
