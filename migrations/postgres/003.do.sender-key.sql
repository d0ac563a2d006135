ALTER TABLE "sessions" ADD COLUMN "sender_key" text COLLATE "C";
