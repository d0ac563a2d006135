-- A deleted secret can be restored until destroy_at; versions up to deleted_through are deleted, and deleted_version was current
-- (docs/spec/secret-value-v1.md). All three are null if nothing is deleted. metadata: how a version was written, its comment and labels.
ALTER TABLE "secrets" ADD COLUMN "deleted_version" INTEGER;
ALTER TABLE "secrets" ADD COLUMN "deleted_through" INTEGER;
ALTER TABLE "secrets" ADD COLUMN "destroy_at" INTEGER;
CREATE INDEX "secrets_destroy_at" ON "secrets" ("destroy_at", "path");
ALTER TABLE "secret_versions" ADD COLUMN "metadata" TEXT;
