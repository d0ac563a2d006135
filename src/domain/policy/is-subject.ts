import { glob } from '../words/glob.ts';
import type { Workload } from '../identity/workload.ts';
import type { PolicySubject } from './access-policy.ts';

/** Reports whether the subject names the workload. Labels of pods are not compared. */
export function isSubject(subject: PolicySubject, workload: Workload): boolean {
  if (!subject.clusters.includes(workload.cluster)) return false;
  if ('identities' in subject) {
    return 'identity' in workload && isAny(subject.identities, workload.identity.join('/'));
  }
  return (
    'namespace' in workload &&
    isAny(subject.namespaces, workload.namespace) &&
    isAny(subject.serviceAccounts, workload.serviceAccount)
  );
}

function isAny(patterns: readonly string[], name: string): boolean {
  return patterns.some((pattern) => glob(pattern)(name));
}
