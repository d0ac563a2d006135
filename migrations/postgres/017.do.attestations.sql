CREATE TABLE "attestations" (
  "digest" text COLLATE "C" NOT NULL,
  "id" text COLLATE "C" NOT NULL,
  "body" bytea NOT NULL,
  "created_at" bigint NOT NULL,
  "created_by" text COLLATE "C" NOT NULL,
  "mac" bytea NOT NULL,
  PRIMARY KEY ("digest", "id")
);
