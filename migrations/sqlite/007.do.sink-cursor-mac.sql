ALTER TABLE "sink_cursors" ADD COLUMN "mac" BLOB;
