-- Null in rows of earlier releases, which cut off, and in quarantines that no alert made.
ALTER TABLE "quarantines" ADD COLUMN "mode" text COLLATE "C";
ALTER TABLE "quarantines" ADD COLUMN "response_id" text COLLATE "C";
ALTER TABLE "quarantines" ADD COLUMN "namespace" text COLLATE "C";
ALTER TABLE "quarantines" ADD COLUMN "pods" bigint;

-- Null in rows of earlier releases: their responses are due at once, and count for no limit.
ALTER TABLE "alerts" ADD COLUMN "namespace" text COLLATE "C";
ALTER TABLE "alerts" ADD COLUMN "next_attempt_at" bigint;
ALTER TABLE "alerts" ADD COLUMN "ended_at" bigint;
ALTER TABLE "alerts" ADD COLUMN "rotated_at" bigint;
CREATE INDEX "alerts_due" ON "alerts" ("state", "next_attempt_at", "id");
CREATE INDEX "alerts_ended" ON "alerts" ("source", "ended_at", "id");
CREATE INDEX "alerts_rotated" ON "alerts" ("source", "rotated_at", "id");
