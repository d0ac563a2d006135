import { BrokerError } from '../../domain/errors.ts';
import { counts } from '../../domain/posture/evaluate.ts';
import type { TrustedImage } from '../../domain/posture/image-checks.ts';
import type { PostureFinding } from '../../domain/posture/finding.ts';
import { PodNode } from '../../domain/posture/pod-node.ts';
import { podsIn, type FoundPod } from '../../domain/posture/pods-in.ts';
import type { PostureMode } from '../../domain/posture/profile.ts';
import type { PodFacts } from '../../ports/pod-watch.ts';
import type { Call } from '../../broker/access/call.ts';
import type { Access, Recording } from '../../broker/state/dependencies.ts';
import { recordOperation, requireRole } from '../../broker/recording/operation.ts';
import type { LiveOperator } from '../../broker/state/operator-token-memory.ts';
import type { StoredEvidence } from './evidence.ts';
import { judgePod } from './judge-posture.ts';
import type { NamedPod } from './judged-pods.ts';
import type { Judging, Posture } from './judging.ts';
import { findingFor } from './shown-finding.ts';
import { MalformedJson, type JsonNode } from '../../domain/text/json-node.ts';

/** A running pod by name, or the pods of an object that was not created yet. */
export type PostureQuestion =
  | { readonly pod: NamedPod }
  | { readonly manifest: unknown; readonly cluster: string; readonly namespace: string };

export interface ExplainedPosture {
  /** Name of the pod, such as `Pod web` or `Deployment web`. */
  readonly pod: string;
  /** True if the broker knows the pod now. */
  readonly isKnown: boolean;
  /** Evidence about its images that the profiles read. */
  readonly evidence: readonly StoredEvidence[];
  readonly profiles: readonly {
    readonly name: string;
    readonly version: number;
    readonly mode: PostureMode;
    /** Paths of the secrets; empty: all. */
    readonly secretPaths: readonly string[];
    /** False if the profile refuses its secrets to the pod, or in other modes would refuse them. */
    readonly isMet: boolean;
    readonly findings: readonly PostureFinding[];
    /** The signatures and attestations that counted. */
    readonly trusted: readonly TrustedImage[];
  }[];
}

/**
 * Explains the findings of each profile for a pod, by the same function that decides reads.
 * @throws ERR_DENIED, ERR_NOT_FOUND for a cluster that is not registered or has no live watch, ERR_BODY_INVALID for a manifest
 * without a pod
 */
export async function explainPosture(
  parts: Recording & Access & Posture,
  call: Call,
  live: LiveOperator,
  question: PostureQuestion,
): Promise<readonly ExplainedPosture[]> {
  const { cluster, namespace, name } = 'pod' in question ? question.pod : { ...question, name: '' };
  const query = `posture of ${[cluster, namespace, name].filter((part) => part !== '').join('/')}`;
  return recordOperation(
    { parts, call, caller: live },
    { action: 'policy.explain', query },
    (operator) => {
      requireRole(operator, 'policy-editor', 'auditor');
      if (parts.catalog.find('cluster', cluster) === undefined)
        throw new BrokerError('ERR_NOT_FOUND', `no cluster "${cluster}" is registered`, {
          isDetailShown: true,
        });
      return 'pod' in question
        ? [
            explained(parts, operator, question.pod, {
              owner: `Pod ${name}`,
              facts: runningPod(parts, question.pod),
              payer: call,
            }),
          ]
        : podsOf(question.manifest).map(({ owner, pod }) => {
            const whole = new PodNode(question.manifest, '');
            const own = namespaceOf(pod) ?? namespaceOf(whole) ?? namespace;
            const named = { cluster, namespace: own, name: nameOf(pod) };
            return explained(parts, operator, named, { owner, facts: factsOf(pod), payer: call });
          });
    },
  );
}

function explained(
  parts: Judging,
  operator: LiveOperator,
  named: NamedPod,
  {
    owner,
    facts,
    payer,
  }: {
    readonly owner: string;
    readonly facts: PodFacts | undefined;
    readonly payer: Call;
  },
): ExplainedPosture {
  const { judged, read } = judgePod(parts, named, facts, payer);
  const profiles = judged.map(({ profile, findings, trusted }) => ({
    name: profile.name,
    version: profile.version,
    mode: profile.spec.mode,
    secretPaths: profile.spec.match.secretPaths,
    isMet: !findings.some(counts),
    findings: findings.map((each) => findingFor(operator, each)),
    trusted,
  }));
  const evidence = [...new Set([...read.values()].flat())].map((each) => ({
    evidence: each,
    count: parts.evidence.countOf(each),
  }));
  return { pod: owner, isKnown: facts !== undefined, evidence, profiles };
}

function runningPod(
  { clusters }: Pick<Access, 'clusters'>,
  { cluster, namespace, name }: NamedPod,
): PodFacts | undefined {
  const watch = clusters.watch(cluster);
  const uid = watch?.status() === 'live' ? watch.uidOf(namespace, name) : undefined;
  return uid === undefined ? undefined : watch?.find(uid);
}

function podsOf(manifest: unknown): readonly FoundPod[] {
  const pods = refusing(() => podsIn(manifest));
  if (pods.length === 0) throw invalid('', 'has no pod and no workload with a pod template');
  return pods;
}

/** A pod of a manifest, as a watch would know it. */
function factsOf(pod: JsonNode): PodFacts {
  const labels = refusing(() => pod.at('metadata', 'labels').members());
  return {
    state: 'unknown',
    labels: new Map(labels.map(([name, label]) => [name, refusing(() => label.text()) ?? ''])),
    manifest: { read: () => pod.value },
  };
}

const namespaceOf = (pod: JsonNode): string | undefined =>
  refusing(() => pod.at('metadata', 'namespace').text());
const nameOf = (pod: JsonNode): string => refusing(() => pod.at('metadata', 'name').text()) ?? '';

function refusing<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof MalformedJson) throw invalid(error.pointer, error.message);
    throw error;
  }
}

function invalid(pointer: string, message: string): BrokerError {
  return new BrokerError('ERR_BODY_INVALID', undefined, {
    problems: [{ pointer: `/manifest${pointer}`, message }],
  });
}
