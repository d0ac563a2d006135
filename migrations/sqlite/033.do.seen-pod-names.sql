-- Finds a pod that is gone by its name, also after a restart (docs/runtime-alerts.md, "How a pod is found").
CREATE INDEX "seen_pods_name" ON "seen_pods" ("cluster", "namespace", "name", "uid", "trait");
