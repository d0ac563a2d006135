/** Limits that keep a policy readable and bound the time of matching it (CVE-2026-35041). */
export const POLICY_LIMITS = {
  descriptionLength: 1024,
  subjects: 50,
  /** Clusters, namespaces, service accounts and identities of one subject, each list. */
  subjectNames: 50,
  /** Cluster × namespace × service account, or cluster × identity, over all subjects: each is an entry of the index. */
  subjectCombinations: 1000,
  podLabels: 20,
  rules: 100,
  paths: 50,
  patternLength: 512,
  starsInSegment: 4,
  deepStars: 3,
  sourceCidrs: 100,
  timeWindows: 20,
  leaseTtlSeconds: 365 * 86_400,
  problems: 100,
  explainedRules: 5000,
  explainedNotes: 50,
} as const;
