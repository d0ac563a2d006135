import { isName } from '../words/names.ts';
import { isIdentity } from '../identity/workload.ts';
import type { PolicySubject } from './access-policy.ts';
import type { DocumentFields, DocumentNode } from './document-node.ts';
import { POLICY_LIMITS } from './policy-limits.ts';
import { FIELDS, PATTERNS } from './policy-schema.ts';

export function parseSubjects(fields: DocumentFields, key: string): readonly PolicySubject[] {
  const max = POLICY_LIMITS.subjectCombinations;
  let combinations = 0;
  return fields.items(key, POLICY_LIMITS.subjects, (node) => {
    const subject = parseSubject(node);
    combinations += subject.clusters.length * namesOf(subject);
    if (combinations > max) {
      node.refuse(`brings the combinations of cluster, namespace and service account over ${max}`);
    }
    return subject;
  });
}

function namesOf(subject: PolicySubject): number {
  return 'identities' in subject
    ? subject.identities.length
    : subject.namespaces.length * subject.serviceAccounts.length;
}

function parseSubject(node: DocumentNode): PolicySubject {
  const { value } = node;
  if (typeof value === 'object' && value !== null && Object.hasOwn(value, 'identities')) {
    return parseOidcSubject(node);
  }
  const fields = node.fields(FIELDS.kubernetesSubject);
  const max = POLICY_LIMITS.subjectNames;
  const labels = fields.get('podLabels');
  return {
    clusters: fields.texts('clusters', max, clusterProblem),
    namespaces: fields.texts('namespaces', max, namespaceProblem),
    serviceAccounts: fields.texts('serviceAccounts', max, serviceAccountProblem),
    ...(labels && { podLabels: parseLabels(labels) }),
  };
}

function parseOidcSubject(node: DocumentNode): PolicySubject {
  const fields = node.fields(FIELDS.oidcSubject);
  const max = POLICY_LIMITS.subjectNames;
  return {
    clusters: fields.texts('clusters', max, clusterProblem),
    identities: fields.texts('identities', max, identityProblem),
  };
}

/** Refuses an empty map, which would look like a condition and match every pod. */
function parseLabels(node: DocumentNode): Readonly<Record<string, string>> {
  const entries = node.entries() ?? [];
  if (entries.length === 0 || entries.length > POLICY_LIMITS.podLabels) {
    node.refuse(`must have 1 to ${POLICY_LIMITS.podLabels} labels`);
  }
  for (const [key, value] of entries) {
    if (!PATTERNS.labelKey.test(key)) value.refuse('is not a label key');
  }
  return Object.fromEntries(entries.map(([key, value]) => [key, value.text(labelValueProblem)]));
}

function labelValueProblem(text: string): string | undefined {
  return PATTERNS.labelValue.test(text) ? undefined : 'must be a label value, exactly';
}

/** Clusters are literal: a glob would reach into clusters that are registered later, and names below a cluster repeat in others. */
function clusterProblem(text: string): string | undefined {
  return isName(text) ? undefined : "must be a cluster's literal name; a glob is not allowed";
}

function namespaceProblem(text: string): string | undefined {
  return PATTERNS.namespace.test(text) ? starProblem(text) : 'must be a namespace or a glob of one';
}

function serviceAccountProblem(text: string): string | undefined {
  return PATTERNS.serviceAccount.test(text)
    ? starProblem(text)
    : 'must be a service account or a glob of one';
}

/** The first segment is literal: an issuer such as GitHub signs tokens for everyone, and an identity begins with its owner. */
function identityProblem(text: string): string | undefined {
  const segments = text.split('/');
  if (!isIdentity(segments.map((each) => each.replaceAll('*', '-')))) {
    return 'must be an identity without ci://<cluster>/, such as ns/prod/sa/shop, or a pattern of one: [A-Za-z0-9._+=@:-], "*" and %XX in segments';
  }
  if (segments[0]?.includes('*')) return 'must not have "*" in its first segment';
  return segments.map(starProblem).find((problem) => problem !== undefined);
}

function starProblem(text: string): string | undefined {
  if (text.includes('**')) return 'must not have "**"';
  const stars = text.split('*').length - 1;
  return stars > POLICY_LIMITS.starsInSegment
    ? `must have at most ${POLICY_LIMITS.starsInSegment} "*"`
    : undefined;
}
