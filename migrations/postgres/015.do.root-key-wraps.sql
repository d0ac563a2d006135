-- More than one key-encryption key may wrap a root key (docs/spec/root-keys-v1.md). `seals` is null for keys of earlier releases.
CREATE TABLE "root_key_wraps" (
  "root_key_id" text COLLATE "C" NOT NULL,
  "kek_id" text COLLATE "C" NOT NULL,
  "wrapped" bytea NOT NULL,
  "created_at" bigint NOT NULL,
  PRIMARY KEY ("root_key_id", "kek_id")
);
INSERT INTO "root_key_wraps" SELECT "id", "kek_id", "wrapped", "created_at" FROM "root_keys";
ALTER TABLE "root_keys" DROP COLUMN "kek_id";
ALTER TABLE "root_keys" DROP COLUMN "wrapped";
ALTER TABLE "root_keys" ADD COLUMN "seals" bigint;
