import { isDeepStrictEqual } from 'node:util';
import { setImmediate as loopTurn } from 'node:timers/promises';
import { counts, evaluate } from '../../domain/posture/evaluate.ts';
import type { PostureFinding } from '../../domain/posture/finding.ts';
import { PodNode } from '../../domain/posture/pod-node.ts';
import type { SecretValues } from '../../domain/posture/secret-values.ts';
import { compileProfile, isForPod, type PostureProfile } from '../../domain/posture/profile.ts';
import { loadKeyless } from '../../crypto/signatures/keyless-signature.ts';
import type { Page, PageRequest } from '../../domain/page.ts';
import type { Session } from '../../domain/identity/principal.ts';
import { workloadId } from '../../domain/identity/workload.ts';
import type { Call } from '../../broker/access/call.ts';
import { measured } from '../../broker/access/measured.ts';
import { decodeCursor, encodeCursor } from '../../broker/state/cursor.ts';
import { parseSpec } from '../../broker/model/schema.ts';
import type { Access, Keys, Recording } from '../../broker/state/dependencies.ts';
import { recordOperation, requireRole } from '../../broker/recording/operation.ts';
import { surroundingsOf } from './judge-posture.ts';
import type { Judging, Posture } from './judging.ts';
import { findingFor } from './shown-finding.ts';
import { podFacts } from '../../broker/access/check-pod.ts';
import type { LiveOperator } from '../../broker/state/operator-token-memory.ts';
import { scanSessions } from '../../broker/state/select-sessions.ts';

/** Pod that has a session, and the findings of the profile there. */
export interface SurveyedPod {
  readonly workload: string;
  readonly pod: { readonly name: string; readonly uid: string };
  /** True if the broker knows the pod now. */
  readonly isKnown: boolean;
  readonly isMet: boolean;
  readonly findings: readonly PostureFinding[];
}

/** Evaluations before other requests are answered: a pod of five containers takes up to a millisecond. */
const SLICE = 4;

/**
 * Surveys the pods that hold sessions with a profile, which need not be saved. A page covers as many sessions as its limit, and
 * may have fewer pods, even none. A pod with several sessions may be on several pages.
 * @throws ERR_DENIED, ERR_BODY_INVALID or ERR_UNKNOWN_FIELD for the profile, ERR_REQUEST_INVALID
 */
export async function surveyPosture(
  parts: Recording & Access & Posture & Pick<Keys, 'keyring'>,
  call: Call,
  live: LiveOperator,
  { document, page }: { readonly document: unknown; readonly page: PageRequest },
): Promise<Page<SurveyedPod>> {
  const acting = { parts, call, caller: live };
  const recorded = {
    action: 'policy.explain',
    query: 'posture of the pods with sessions',
  } as const;
  return recordOperation(acting, recorded, async (operator) => {
    requireRole(operator, 'policy-editor', 'auditor');
    const profile = compileProfile('draft', 0, parseSpec('posture-profile', document));
    if (profile.trust.trustRoots.size > 0) await loadKeyless();
    const compared = { ...parts, secretValues: valuesFor(parts, profile) };
    const after = decodeCursor(parts, LIST, page.after) as string | undefined;
    const { rows, next } = await scanSessions(parts, {}, { after, limit: page.limit });
    const items = new Map<string, SurveyedPod>();
    for (const [at, row] of rows.entries()) {
      if (at % SLICE === SLICE - 1) await loopTurn();
      const session = parts.sessions.open(row);
      const { cluster, pod } = session.workload;
      const key = `${cluster}/${pod?.uid}`;
      const found = items.has(key)
        ? undefined
        : measured(parts, call, () => surveyed(compared, operator, profile, session));
      if (found !== undefined) items.set(key, found);
    }
    const found = { items: [...items.values()] };
    return next === undefined ? found : { ...found, next: encodeCursor(parts, LIST, next) };
  });
}

const LIST = 'posture-survey';

const NOT_IN_DRAFTS: SecretValues = {
  isComplete: false,
  omission:
    'a draft compares values only with the secretPaths of a saved profile, or with all secrets',
  pathsOf: () => [],
};

/**
 * Chooses the values that a draft may compare. With paths of its own choice, an editor could narrow them from draft to draft, and
 * so find the path of the secret that a variable has.
 */
function valuesFor(
  { profiles, secretValues }: Pick<Posture, 'profiles' | 'secretValues'>,
  draft: PostureProfile,
): SecretValues {
  const pathsOf = ({ spec }: PostureProfile): readonly string[] =>
    spec.match.secretPaths.toSorted();
  const paths = pathsOf(draft);
  const isSaved = profiles.all.some(
    (each) =>
      each.spec.pod.secretValuesInEnvironment === 'deny' && isDeepStrictEqual(pathsOf(each), paths),
  );
  return isSaved || paths.length === 0 ? secretValues : NOT_IN_DRAFTS;
}

/** Judges a pod; undefined if the profile is not for the pod, or if the workload has none. */
function surveyed(
  parts: Omit<Judging, 'profiles' | 'secretValues'> & {
    readonly secretValues: SecretValues;
  },
  operator: LiveOperator,
  profile: PostureProfile,
  { workload }: Session,
): SurveyedPod | undefined {
  if ('identity' in workload || workload.pod === undefined) return undefined;
  const { namespace, pod } = workload;
  const facts = podFacts(parts, workload);
  const around = surroundingsOf(parts, { ...workload, uid: pod.uid }, facts);
  if (!isForPod(profile, around)) return undefined;
  const node = facts?.manifest && new PodNode(facts.manifest.read(), '');
  const { attestations, evidence, secretValues } = parts;
  const known = { trust: attestations.verifying(), evidenceOf: evidence.of, secretValues };
  const snapshot = { ...around, name: `${namespace}/${pod.name}`, pod: node, ...known };
  const { findings } = evaluate(profile, snapshot, parts.clock.now());
  return {
    workload: workloadId(workload),
    pod,
    isKnown: facts !== undefined,
    isMet: !findings.some(counts),
    findings: findings.map((each) => findingFor(operator, each)),
  };
}
