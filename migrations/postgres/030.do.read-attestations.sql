-- What the body of an attestation says and its verified signers, read at the push. Null in rows of earlier releases.
ALTER TABLE "attestations" ADD COLUMN "read" text COLLATE "C";
