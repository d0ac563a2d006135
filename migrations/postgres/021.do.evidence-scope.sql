-- The repositories for whose images a report counts. Null in rows of earlier releases, and in those for all images.
ALTER TABLE "image_evidence" ADD COLUMN "scope" text COLLATE "C";
