-- Null in rows of earlier releases, which cut off, and in quarantines that no alert made.
ALTER TABLE "quarantines" ADD COLUMN "mode" TEXT;
ALTER TABLE "quarantines" ADD COLUMN "response_id" TEXT;
ALTER TABLE "quarantines" ADD COLUMN "namespace" TEXT;
ALTER TABLE "quarantines" ADD COLUMN "pods" INTEGER;

-- Null in rows of earlier releases: their responses are due at once, and count for no limit.
ALTER TABLE "alerts" ADD COLUMN "namespace" TEXT;
ALTER TABLE "alerts" ADD COLUMN "next_attempt_at" INTEGER;
ALTER TABLE "alerts" ADD COLUMN "ended_at" INTEGER;
ALTER TABLE "alerts" ADD COLUMN "rotated_at" INTEGER;
CREATE INDEX "alerts_due" ON "alerts" ("state", "next_attempt_at", "id");
CREATE INDEX "alerts_ended" ON "alerts" ("source", "ended_at", "id");
CREATE INDEX "alerts_rotated" ON "alerts" ("source", "rotated_at", "id");
