CREATE TABLE "alerts" (
  "id" text COLLATE "C" NOT NULL,
  "source" text COLLATE "C" NOT NULL,
  "state" text COLLATE "C" NOT NULL,
  "received_at" bigint NOT NULL,
  "body" text COLLATE "C" NOT NULL,
  "mac" bytea,
  PRIMARY KEY ("id")
);
CREATE INDEX "alerts_received_at" ON "alerts" ("received_at", "id");
CREATE INDEX "alerts_state" ON "alerts" ("state", "received_at", "id");
