ALTER TABLE "sessions" ADD COLUMN "sender_key" TEXT;
