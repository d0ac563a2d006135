-- Images, nodes and containers of the pods that had a session, so that an alert or an incident finds a pod that is gone (docs/runtime-alerts.md, "How a pod is found").
CREATE TABLE "seen_pods" (
  "cluster" TEXT NOT NULL,
  "trait" TEXT NOT NULL,
  "uid" TEXT NOT NULL,
  "namespace" TEXT NOT NULL,
  "name" TEXT NOT NULL,
  "workload" TEXT NOT NULL,
  "seen_at" INTEGER NOT NULL,
  PRIMARY KEY ("cluster", "trait", "uid")
) STRICT;
CREATE INDEX "seen_pods_uid" ON "seen_pods" ("cluster", "uid", "trait");
CREATE INDEX "seen_pods_seen_at" ON "seen_pods" ("seen_at", "cluster", "trait", "uid");
