-- Number of findings of the report, whose body is then a bounded summary. Null in rows of earlier releases, whose body has all findings.
ALTER TABLE "image_evidence" ADD COLUMN "findings" INTEGER;
