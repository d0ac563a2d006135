-- Enrolments of clusters: the code with which a cluster may enrol, and the credential that it gave (docs/spec/enrolment-v1.md).
CREATE TABLE "enrolments" (
  "cluster" text COLLATE "C" NOT NULL,
  "cluster_uid" text COLLATE "C" NOT NULL,
  "api_server" text COLLATE "C" NOT NULL,
  "code" text COLLATE "C",
  "code_ends_at" bigint,
  "attempts" bigint NOT NULL,
  "used_by" text COLLATE "C",
  "sealed" bytea,
  "ends_at" bigint,
  "renew_at" bigint,
  "updated_at" bigint NOT NULL,
  "mac" bytea,
  PRIMARY KEY ("cluster")
);
