ALTER TABLE "sink_cursors" ADD COLUMN "mac" bytea;
