-- The approval of the break-glass elevation under which a document was written. Null in rows of earlier releases, and in those that lasting rights wrote.
ALTER TABLE "documents" ADD COLUMN "elevation" text COLLATE "C";
ALTER TABLE "document_versions" ADD COLUMN "elevation" text COLLATE "C";
