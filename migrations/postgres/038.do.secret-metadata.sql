-- Custom metadata of secrets: texts that clients keep beside the versions (docs/spec/secret-value-v1.md).
CREATE TABLE "secret_metadata" (
  "path" text COLLATE "C" NOT NULL,
  "version" bigint NOT NULL,
  "body" text COLLATE "C" NOT NULL,
  "updated_at" bigint NOT NULL,
  "updated_by" text COLLATE "C" NOT NULL,
  "mac" bytea,
  PRIMARY KEY ("path")
);
