-- The generation of defaults that complete the body of a document. Null in rows of earlier releases: the defaults of those.
ALTER TABLE "documents" ADD COLUMN "defaults" INTEGER;
-- The repositories for whose images a signature counts. Null in rows of earlier releases, and in those for all images.
ALTER TABLE "attestations" ADD COLUMN "scope" TEXT;
-- 0: no authority of a profile had signed it when it was pushed. Null in rows of earlier releases.
ALTER TABLE "attestations" ADD COLUMN "recognized" INTEGER;
