import { glob, type Glob } from '../words/glob.ts';
import type { Labels } from './label-selector.ts';
import { compileTrust, type CompiledTrust, type ImageTrustSpec } from './image-trust.ts';
import type { Severity } from './evidence.ts';
import type { PodStandard } from './pod-security.ts';
import { compileWitnesses, type Witnesses, type WitnessSpec } from './witnesses.ts';

/** Codes of all findings. Callers see these words; the audit log, metrics and exceptions use them. */
export const POSTURE_CODES = [
  'pod_unknown',
  'pod_malformed',
  'namespace_unknown',
  'pod_security',
  'ephemeral_container',
  'default_service_account',
  'service_account_token',
  'resource_limits',
  'network_policy',
  'secret_in_environment',
  'secret_value_in_environment',
  'image_unknown',
  'image_malformed',
  'registry',
  'image_not_pinned',
  'image_denied',
  'digest_mismatch',
  'signature_missing',
  'signer_not_trusted',
  'attestation_missing',
  'report_missing',
  'report_stale',
  'nothing_scanned',
  'vulnerability_denied',
  'os_end_of_life',
  'exposed_secret',
] as const;
export type PostureCode = (typeof POSTURE_CODES)[number];

/** `enforce` refuses the secret. `warn` returns it, and notifies the caller and the log. `audit` returns it and records the finding in the log. */
export const POSTURE_MODES = ['enforce', 'warn', 'audit'] as const;
export type PostureMode = (typeof POSTURE_MODES)[number];

/** Action of `enforce` on a pod that holds leases and no longer meets the profile. Reads and renewals are refused in any case. */
export const VIOLATION_ACTIONS = ['denyRenewal', 'revoke', 'quarantine'] as const;
export type ViolationAction = (typeof VIOLATION_ACTIONS)[number];

export type Permission = 'allow' | 'deny';

/** A finding that is ignored until a day. */
export interface PostureException {
  readonly code: PostureCode;
  /** Globs; an empty list matches all. */
  readonly pods: readonly string[];
  readonly images: readonly string[];
  /** Milliseconds since the epoch. */
  readonly until: number;
  readonly reason: string;
  readonly owner: string;
}

/** Requirements of a check on the report of a scanner. */
export interface ReportRules {
  readonly onUnknown?: Permission | undefined;
  /** A pod that is younger does not need a report yet. */
  readonly firstReportGraceSeconds: number;
  readonly deny: readonly Severity[];
  /** Answer to findings without a rating. */
  readonly unknownSeverity: Permission;
}

export interface VulnerabilityRules extends ReportRules {
  /** Counts a vulnerability only if a fix is known. */
  readonly fixAvailableOnly: boolean;
  /** A vulnerability counts when it has been public for this many days. */
  readonly graceDays: number;
  readonly reportMaxAgeSeconds: number;
  readonly osEndOfLife: Permission;
  readonly exceptions: readonly VulnerabilityException[];
}

export type ExposedSecretRules = ReportRules;

/** One vulnerability that is ignored until a day. */
export interface VulnerabilityException {
  /** CVE of the vulnerability, or another of its names. */
  readonly id: string;
  /** Glob of package URLs without qualifiers; undefined: every package. */
  readonly purl?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly until: number;
  readonly reason: string;
  readonly approvedBy: string;
}

/** Requirements that a pod must meet to get secrets. A profile can only refuse: it never grants what the policies do not. */
export interface PostureProfileSpec {
  readonly description?: string | undefined;
  readonly mode: PostureMode;
  /** Undefined in documents of earlier releases: `denyRenewal`. */
  readonly onViolation?: ViolationAction | undefined;
  /** Decides whether an unknown fact allows or refuses. */
  readonly onUnknown: Permission;
  /** The pods and secrets that the profile applies to; an empty list matches all of them. */
  readonly match: {
    readonly clusters: readonly string[];
    readonly namespaces: readonly string[];
    readonly namespaceLabels: Readonly<Record<string, string>>;
    readonly podLabels: Readonly<Record<string, string>>;
    readonly secretPaths: readonly string[];
  };
  readonly pod: {
    readonly onUnknown?: Permission | undefined;
    readonly securityStandard?: PodStandard | undefined;
    readonly ephemeralContainers: Permission;
    readonly defaultServiceAccount: Permission;
    readonly serviceAccountToken: Permission;
    readonly secretsInEnvironment: Permission;
    readonly secretValuesInEnvironment: Permission;
    readonly resourceLimits: 'any' | 'required';
    /** `required`: a NetworkPolicy limits the egress of the pod. */
    readonly networkPolicy: 'any' | 'required';
  };
  readonly image: ImageTrustSpec & {
    readonly onUnknown?: Permission | undefined;
    /** Globs of repositories; empty: any. */
    readonly registries: readonly string[];
    readonly digest: 'any' | 'pinned';
    readonly deniedDigests: readonly string[];
  };
  readonly vulnerabilities?: VulnerabilityRules | undefined;
  readonly exposedSecrets?: ExposedSecretRules | undefined;
  readonly witnesses: WitnessSpec;
  /** Containers that the checks of images and single containers skip: those of a mesh or the platform. */
  readonly ignoreContainers: readonly { readonly name: string; readonly image: string }[];
  readonly exceptions: readonly PostureException[];
}

export interface CompiledVulnerabilityException {
  readonly exception: VulnerabilityException;
  readonly purl: Glob | undefined;
}

/** A profile with its patterns compiled. */
export interface PostureProfile {
  readonly name: string;
  readonly version: number;
  readonly spec: PostureProfileSpec;
  readonly namespaces: readonly Glob[];
  readonly secretPaths: readonly Glob[];
  readonly registries: readonly Glob[];
  readonly deniedDigests: ReadonlySet<string>;
  readonly trust: CompiledTrust;
  readonly witnesses: Witnesses;
  readonly ignoreContainers: readonly { readonly name: Glob; readonly image: Glob }[];
  /** The exceptions of `vulnerabilities`, by the name of the vulnerability. */
  readonly vulnerabilityExceptions: ReadonlyMap<string, readonly CompiledVulnerabilityException[]>;
  readonly exceptions: readonly {
    readonly exception: PostureException;
    readonly pods: readonly Glob[];
    readonly images: readonly Glob[];
  }[];
}

export function compileProfile(
  name: string,
  version: number,
  spec: PostureProfileSpec,
): PostureProfile {
  return {
    name,
    version,
    spec,
    namespaces: spec.match.namespaces.map(glob),
    secretPaths: spec.match.secretPaths.map(glob),
    registries: spec.image.registries.map(glob),
    deniedDigests: new Set(spec.image.deniedDigests),
    trust: compileTrust(spec.image),
    witnesses: compileWitnesses(spec.witnesses),
    ignoreContainers: spec.ignoreContainers.map((container) => ({
      name: glob(container.name),
      image: glob(container.image),
    })),
    vulnerabilityExceptions: Map.groupBy(
      (spec.vulnerabilities?.exceptions ?? []).map((exception) => ({
        exception,
        purl: exception.purl === undefined ? undefined : glob(exception.purl),
      })),
      ({ exception }) => exception.id,
    ),
    exceptions: spec.exceptions.map((exception) => ({
      exception,
      pods: exception.pods.map(glob),
      images: exception.images.map(glob),
    })),
  };
}

/** An empty list of patterns matches everything. */
export function anyMatches(globs: readonly Glob[], text: string): boolean {
  return globs.length === 0 || globs.some((matches) => matches(text));
}

export interface PodSurroundings {
  readonly cluster: string;
  readonly namespace: string;
  /** Undefined if they are not known. A profile that requires labels then applies to the pod, because a refusal is safe and a gap is not. */
  readonly labels: Labels | undefined;
  /** Undefined if they are not known. The profile then applies too, and finds `namespace_unknown`. */
  readonly namespaceLabels: Labels | undefined;
}

/** Reports whether the profile applies to the pod; which secret is read is not considered. */
export function isForPod(profile: PostureProfile, place: PodSurroundings): boolean {
  const { podLabels, namespaceLabels } = profile.spec.match;
  return (
    isForCluster(profile, place.cluster) &&
    anyMatches(profile.namespaces, place.namespace) &&
    hasLabels(podLabels, place.labels) &&
    hasLabels(namespaceLabels, place.namespaceLabels)
  );
}

export function isForCluster({ spec }: PostureProfile, cluster: string): boolean {
  const { clusters } = spec.match;
  return clusters.length === 0 || clusters.includes(cluster);
}

/** Reports whether the profile requires labels of namespaces. */
export function needsNamespaceLabels({ spec }: PostureProfile): boolean {
  return Object.keys(spec.match.namespaceLabels).length > 0;
}

function hasLabels(asked: Readonly<Record<string, string>>, labels: Labels | undefined): boolean {
  return (
    labels === undefined ||
    Object.entries(asked).every(([name, value]) => labels.get(name) === value)
  );
}
