CREATE TABLE "image_evidence" (
  "id" text COLLATE "C" NOT NULL,
  "kind" text COLLATE "C" NOT NULL,
  "scanner" text COLLATE "C" NOT NULL,
  "scanner_version" text COLLATE "C" NOT NULL,
  "digests" text COLLATE "C" NOT NULL,
  "config_digest" text COLLATE "C",
  "writer" text COLLATE "C" NOT NULL,
  "reported_at" bigint NOT NULL,
  "received_at" bigint NOT NULL,
  "seen_at" bigint NOT NULL,
  "body" bytea NOT NULL,
  "mac" bytea,
  PRIMARY KEY ("id")
);
