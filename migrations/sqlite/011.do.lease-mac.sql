-- MACs of leases and claims (docs/spec/row-mac-v1.md). Null in rows of earlier releases, until the first start of this one seals them.
ALTER TABLE "leases" ADD COLUMN "mac" BLOB;
ALTER TABLE "claims" ADD COLUMN "mac" BLOB;
