-- Images, nodes and containers of the pods that had a session, so that an alert or an incident finds a pod that is gone (docs/runtime-alerts.md, "How a pod is found").
CREATE TABLE "seen_pods" (
  "cluster" text COLLATE "C" NOT NULL,
  "trait" text COLLATE "C" NOT NULL,
  "uid" text COLLATE "C" NOT NULL,
  "namespace" text COLLATE "C" NOT NULL,
  "name" text COLLATE "C" NOT NULL,
  "workload" text COLLATE "C" NOT NULL,
  "seen_at" bigint NOT NULL,
  PRIMARY KEY ("cluster", "trait", "uid")
);
CREATE INDEX "seen_pods_uid" ON "seen_pods" ("cluster", "uid", "trait");
CREATE INDEX "seen_pods_seen_at" ON "seen_pods" ("seen_at", "cluster", "trait", "uid");
