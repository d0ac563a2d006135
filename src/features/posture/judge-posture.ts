import { counts, evaluate } from '../../domain/posture/evaluate.ts';
import type { TrustedImage } from '../../domain/posture/image-checks.ts';
import { digestsOfImages, isForAllImages, type Evidence } from '../../domain/posture/evidence.ts';
import type { PostureFinding } from '../../domain/posture/finding.ts';
import type { Labels, LabelSelector } from '../../domain/posture/label-selector.ts';
import {
  UNVERIFIED,
  type ImageTrust,
  type Statement,
  type TrustAnchor,
} from '../../domain/posture/image-trust.ts';
import { PodNode } from '../../domain/posture/pod-node.ts';
import {
  anyMatches,
  isForPod,
  type PodSurroundings,
  type PostureProfile,
} from '../../domain/posture/profile.ts';
import { PostureRefused, postureText } from '../../domain/posture/refusal.ts';
import type { Workload } from '../../domain/identity/workload.ts';
import type { SecretValues } from '../../domain/posture/secret-values.ts';
import type { PodFacts, PodManifest } from '../../ports/pod-watch.ts';
import type { Rights } from '../../broker/state/dependencies.ts';
import type { Fitness, FitnessJudgement, Payer } from '../../broker/state/fitness.ts';
import type { Judging } from './judging.ts';
import type { NamedPod } from './judged-pods.ts';
import type { SecretValueMemory } from './secret-value-memory.ts';
import { podFacts } from '../../broker/access/check-pod.ts';
import { measured } from '../../broker/access/measured.ts';

/** Profile that is for the pod, and its findings there. */
export interface JudgedProfile {
  readonly profile: PostureProfile;
  readonly findings: readonly PostureFinding[];
  readonly trusted: readonly TrustedImage[];
}

const NOTHING: FitnessJudgement = {};
const USED_EVERY_MS = 24 * 60 * 60_000;

/** All profiles that are for a pod. */
export interface JudgedPod {
  readonly judged: readonly JudgedProfile[];
  /** Profiles with a finding that counts. */
  readonly counting: readonly JudgedProfile[];
  /** Evidence that the checks read about images, by digest. */
  readonly read: ReadonlyMap<string, readonly Evidence[]>;
  /**
   * Milliseconds since the epoch: until then, only a change of the pod, of a profile or of the evidence about its images changes
   * the findings.
   */
  readonly validUntil: number;
}

interface Kept extends JudgedPod {
  /** The generation of the evidence in which `read` was last compared. */
  generation: number;
  /** The list of all profiles in which those for the pod were last compared. */
  profiles: readonly PostureProfile[];
  readonly trust: ReadStatements;
  readonly around: Surroundings;
  readonly values: ComparedValues;
}

/** Kept judgements by the pod object, which is another one after each change of the pod. */
const kept = new WeakMap<PodManifest, Kept>();

/** The facts of the pod, if the caller knows them, and who pays for an evaluation. */
interface JudgedCall {
  readonly facts?: PodFacts | undefined;
  readonly payer?: Payer | undefined;
}

/**
 * Judges whether the workload's pod is fit for the secret, or for a session if there is no path: then only profiles for all
 * secrets count. Workloads outside Kubernetes have no pod, and no profile is for them.
 */
export function judgePosture(
  parts: Judging,
  workload: Workload,
  path: string | undefined,
  { facts = podFacts(parts, workload), payer }: JudgedCall = {},
): FitnessJudgement {
  if (parts.profiles.all.length === 0 || 'identity' in workload) return NOTHING;
  const { cluster, namespace, pod } = workload;
  const named = { cluster, namespace, name: pod?.name ?? '', uid: pod?.uid };
  const { counting } = judgePod(parts, named, facts, payer);
  // Most pods are fit, and this is part of every read.
  if (counting.length === 0) return NOTHING;
  const judged = counting.filter(({ profile }) =>
    path === undefined ? isForAll(profile) : anyMatches(profile.secretPaths, path),
  );
  return judged.length === 0 ? NOTHING : judgementOf(judged);
}

/** The fitness of a pod by posture profiles. */
export function postureFitness(parts: Judging): Fitness {
  return {
    judge: (workload, path, facts, payer) => judgePosture(parts, workload, path, { facts, payer }),
    // A team must not draw the pods of another into the response to an alert.
    digestsOfImages: (digests) =>
      digestsOfImages(digests, (digest) => parts.evidence.of(digest).filter(isForAllImages)),
  };
}

/** Facts around a pod: those that profiles match, and those that limit its network. */
interface Surroundings extends PodSurroundings {
  readonly egressSelectors: readonly LabelSelector[] | undefined;
}

export function surroundingsOf(
  { clusters }: Pick<Rights, 'clusters'>,
  { cluster, namespace, uid }: Pick<NamedPod, 'cluster' | 'namespace' | 'uid'>,
  facts: PodFacts | undefined,
): Surroundings {
  const namespaces = clusters.namespaces(cluster);
  return {
    cluster,
    namespace,
    // They tell which profiles are for a pod of which nothing else is known any more.
    labels: facts?.labels ?? (uid === undefined ? undefined : lastLabels(clusters, cluster, uid)),
    namespaceLabels: namespaces?.labelsOf(namespace),
    egressSelectors: namespaces?.egressSelectorsOf(namespace),
  };
}

function lastLabels(
  clusters: Rights['clusters'],
  cluster: string,
  uid: string,
): Labels | undefined {
  return clusters.watch(cluster)?.lastLabels(uid);
}

/**
 * Evaluates all profiles for the pod. The result is kept in memory until the pod, its namespace, one of these profiles, an
 * attestation or evidence about its images, or the time changes it.
 */
export function judgePod(
  parts: Judging,
  named: NamedPod,
  facts: PodFacts | undefined,
  payer?: Payer,
): JudgedPod {
  const around = surroundingsOf(parts, named, facts);
  const known = keptVerdict(parts, facts, around);
  if (known !== undefined) return known;
  const made = measured(parts, payer, () => evaluated(parts, named, facts, around));
  if (facts?.manifest !== undefined) {
    kept.set(facts.manifest, made);
    parts.judgedPods.note(named);
  }
  return made;
}

/** The verdict about a pod that was kept; undefined if there is none, or if something that it depends on has changed. */
export function keptVerdict(
  parts: Judging,
  facts: PodFacts | undefined,
  around: Surroundings,
): JudgedPod | undefined {
  const known = facts?.manifest && kept.get(facts.manifest);
  return known !== undefined && isCurrent(known, parts, around) ? known : undefined;
}

export function dropVerdict(facts: PodFacts | undefined): void {
  if (facts?.manifest !== undefined) kept.delete(facts.manifest);
}

function evaluated(
  parts: Judging,
  named: NamedPod,
  facts: PodFacts | undefined,
  around: Surroundings,
): Kept {
  const { attestations, evidence, clock } = parts;
  const profiles = parts.profiles.all;
  const manifest = facts?.manifest;
  const now = clock.now();
  const pod = manifest && new PodNode(manifest.read(), '');
  const read = new Map<string, readonly Evidence[]>();
  const evidenceOf = (digest: string): readonly Evidence[] => {
    const found = evidence.of(digest);
    read.set(digest, found);
    return found;
  };
  const name = `${named.namespace}/${named.name}`;
  const values = new ComparedValues(parts.secretValues);
  const trust = new ReadStatements(attestations);
  const snapshot = { ...around, name, pod, trust, evidenceOf, secretValues: values };
  let validUntil = Infinity;
  const judged = profiles
    .filter((profile) => isForPod(profile, around))
    .map((profile) => {
      const verdict = evaluate(profile, snapshot, now);
      validUntil = Math.min(validUntil, verdict.validUntil);
      return { profile, findings: verdict.findings, trusted: verdict.trusted };
    });
  if (trust.isUnverified) validUntil = now;
  if (read.size > 0) {
    evidence.use(read.keys());
    // The next evaluation marks the evidence as used again.
    validUntil = Math.min(validUntil, now + USED_EVERY_MS);
  }
  return {
    read,
    profiles,
    validUntil,
    judged,
    around,
    values,
    counting: judged.filter(({ findings }) => findings.some(counts)),
    generation: evidence.generation,
    trust,
  };
}

/** Reports whether nothing that the verdict depends on has changed. Nearly always, this costs a few comparisons. */
function isCurrent(
  known: Kept,
  { profiles, evidence, clock }: Judging,
  { namespaceLabels, egressSelectors }: Surroundings,
): boolean {
  const isSame =
    clock.now() < known.validUntil &&
    known.around.namespaceLabels === namespaceLabels &&
    known.around.egressSelectors === egressSelectors;
  if (!isSame || !isForSameProfiles(known, profiles.all)) return false;
  if (!known.values.isCurrent() || !known.trust.isCurrent()) return false;
  if (known.generation === evidence.generation) return true;
  for (const [digest, read] of known.read) if (evidence.of(digest) !== read) return false;
  known.generation = evidence.generation;
  return true;
}

/** Reports whether the same profiles are for the pod as before. A change of another profile changes nothing. */
function isForSameProfiles(known: Kept, all: readonly PostureProfile[]): boolean {
  if (known.profiles === all) return true;
  const { judged, around } = known;
  const own = all.filter((profile) => isForPod(profile, around));
  if (own.length !== judged.length || own.some((each, at) => each !== judged[at]?.profile))
    return false;
  known.profiles = all;
  return true;
}

/** Signatures and attestations, with a record of the images whose statements one evaluation read. */
class ReadStatements implements ImageTrust {
  /** True if signatures are left for the next evaluation. */
  isUnverified = false;
  readonly #all: Judging['attestations'];
  readonly #verifying: ImageTrust;
  readonly #read = new Map<string, readonly Statement[]>();
  #generation: number;

  constructor(all: Judging['attestations']) {
    this.#all = all;
    this.#verifying = all.verifying();
    this.#generation = all.generation;
  }

  of(digest: string): readonly Statement[] {
    const found = this.#all.of(digest);
    this.#read.set(digest, found);
    return found;
  }

  signerOf(statement: Statement, by: TrustAnchor): ReturnType<ImageTrust['signerOf']> {
    const signer = this.#verifying.signerOf(statement, by);
    if (signer === UNVERIFIED) this.isUnverified = true;
    return signer;
  }

  /** Reports whether the evaluation would read the same statements now. A statement about another image changes nothing. */
  isCurrent(): boolean {
    const { generation } = this.#all;
    if (this.#generation === generation) return true;
    for (const [digest, read] of this.#read) if (this.#all.of(digest) !== read) return false;
    this.#generation = generation;
    return true;
  }
}

/** Values of secrets, with a record of those that one evaluation compared. */
class ComparedValues implements SecretValues {
  readonly isComplete: boolean;
  readonly #values: SecretValueMemory;
  readonly #paths = new Map<string, readonly string[]>();
  #generation: number;

  constructor(values: SecretValueMemory) {
    this.#values = values;
    this.isComplete = values.isComplete;
    this.#generation = values.generation;
  }

  pathsOf(fingerprint: string): readonly string[] {
    const paths = this.#values.pathsOf(fingerprint);
    this.#paths.set(fingerprint, paths);
    return paths;
  }

  /** Reports whether the evaluation would find the same now. */
  isCurrent(): boolean {
    const { generation, isComplete } = this.#values;
    if (this.#generation === generation) return true;
    if (this.#paths.size > 0 && this.isComplete !== isComplete) return false;
    for (const [fingerprint, paths] of this.#paths)
      if (this.#values.pathsOf(fingerprint) !== paths) return false;
    this.#generation = generation;
    return true;
  }
}

function isForAll({ spec }: PostureProfile): boolean {
  return spec.match.secretPaths.length === 0;
}

function judgementOf(judged: readonly JudgedProfile[]): FitnessJudgement {
  const enforcing = judged.filter(({ profile }) => profile.spec.mode === 'enforce');
  // A profile that found something decides before one that only lacks a fact: a retry cannot help.
  const refusing =
    enforcing.find(({ findings }) => findings.some(({ status }) => status === 'fail')) ??
    enforcing[0];
  if (refusing === undefined) {
    const warning = judged.filter(({ profile }) => profile.spec.mode === 'warn');
    return {
      noted: textOf(judged),
      ...(warning.length > 0 && { warned: textOf(warning) }),
    };
  }
  const isPending = !refusing.findings.some(({ status }) => status === 'fail');
  return { refusal: new PostureRefused(textOf([refusing]), isPending) };
}

function textOf(judged: readonly JudgedProfile[]): string {
  return judged
    .map(({ profile, findings }) => postureText(profile.name, findings.filter(counts)))
    .join('; ');
}
