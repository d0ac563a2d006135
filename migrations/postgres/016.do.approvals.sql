CREATE TABLE "approvals" (
  "id" text COLLATE "C" NOT NULL,
  "kind" text COLLATE "C" NOT NULL,
  "state" text COLLATE "C" NOT NULL,
  "requester" text COLLATE "C" NOT NULL,
  "body" text COLLATE "C" NOT NULL,
  "approved_by" text COLLATE "C",
  "created_at" bigint NOT NULL,
  "ends_at" bigint,
  "mac" bytea NOT NULL,
  PRIMARY KEY ("id")
);
