import type { EvidenceOf } from './evidence.ts';
import type { CheckFinding, PostureFinding } from './finding.ts';
import {
  imageFindings,
  imagesOf,
  isIgnored,
  reportFindings,
  repositoryOf,
  runningImages,
  trustFindings,
  type CheckedImages,
  type TrustedImage,
} from './image-checks.ts';
import type { ImageTrust } from './image-trust.ts';
import { containersOf } from './pod-node.ts';
import { podSecurityFindings } from './pod-security.ts';
import { secretValueFindings, type SecretValues } from './secret-values.ts';
import { selects, type Labels, type LabelSelector } from './label-selector.ts';
import { anyMatches, needsNamespaceLabels, type PostureProfile } from './profile.ts';
import { MalformedJson, type JsonNode } from '../text/json-node.ts';

export interface PostureVerdict {
  readonly findings: readonly PostureFinding[];
  /** The signatures and attestations that counted, by container. */
  readonly trusted: readonly TrustedImage[];
  /** Milliseconds since the epoch: the time when an applied exception ends, or when a scan or report that counted becomes too old. */
  readonly validUntil: number;
}

/** All known facts of a pod and its images. */
export interface PodSnapshot {
  readonly cluster: string;
  /** `namespace/name`. */
  readonly name: string;
  /** Metadata, specification and status; undefined if the pod is not known. */
  readonly pod: JsonNode | undefined;
  /** Labels of the pod; undefined if they are not known. */
  readonly labels?: Labels | undefined;
  /** Undefined: not known. */
  readonly namespaceLabels?: Labels | undefined;
  /** The pods of the namespace whose egress a NetworkPolicy limits; undefined: not known. */
  readonly egressSelectors?: readonly LabelSelector[] | undefined;
  readonly trust: ImageTrust;
  readonly evidenceOf: EvidenceOf;
  /** Undefined: not known. */
  readonly secretValues?: SecretValues | undefined;
}

/**
 * Findings of a profile at a pod, in the order of the profile. A pure function: login, read, renewal, dry run and reports all call it. A pod that
 * Kubernetes would refuse is a finding, never a pass.
 */
export function evaluate(
  profile: PostureProfile,
  snapshot: PodSnapshot,
  now: number,
): PostureVerdict {
  const { name } = snapshot;
  const { found: all, trusted, validUntil: trustedUntil } = foundAt(profile, snapshot, now);
  let validUntil = trustedUntil;
  const findings = all.map((found): PostureFinding => {
    const { isUnknown, isExcepted, onUnknown, image, ...finding } = found;
    if (isExcepted === true) return { ...finding, status: 'excepted' };
    const except = profile.exceptions.find(
      ({ exception, pods, images }) =>
        exception.code === found.code &&
        exception.until > now &&
        anyMatches(pods, name) &&
        (images.length === 0 || (image !== undefined && anyMatches(images, image))),
    );
    if (except !== undefined) {
      const { until, owner, reason } = except.exception;
      validUntil = Math.min(validUntil, until);
      const end = new Date(until).toISOString();
      const message = `${finding.message}; excepted until ${end} by ${owner}: ${reason}`;
      return { ...finding, message, status: 'excepted' };
    }
    if (isUnknown !== true) return { ...finding, status: 'fail' };
    const rule = onUnknown ?? profile.spec.onUnknown;
    return { ...finding, status: rule === 'deny' ? 'unknown' : 'tolerated' };
  });
  return { findings, trusted, validUntil };
}

/** Reports whether the finding can withhold a secret from the pod. */
export function counts({ status }: PostureFinding): boolean {
  return status === 'fail' || status === 'unknown';
}

const NOTHING_TRUSTED = { trusted: [], validUntil: Infinity };

function foundAt(profile: PostureProfile, snapshot: PodSnapshot, now: number): CheckedImages {
  const { pod, trust } = snapshot;
  const { onUnknown } = profile.spec.pod;
  if (snapshot.namespaceLabels === undefined && needsNamespaceLabels(profile)) {
    const message = 'the broker does not know the labels of the namespace';
    return {
      ...NOTHING_TRUSTED,
      found: [{ code: 'namespace_unknown', message, isUnknown: true }],
    };
  }
  if (pod === undefined) {
    const message = 'the broker does not know the pod yet';
    return {
      ...NOTHING_TRUSTED,
      found: [{ code: 'pod_unknown', message, isUnknown: true, onUnknown }],
    };
  }
  try {
    const images = imagesOf(profile, pod, snapshot);
    const judged = trustFindings(profile, images, { trust, now });
    const createdAt = instantOf(pod.at('metadata', 'creationTimestamp').text());
    const { cluster, evidenceOf } = snapshot;
    const reports = reportFindings(profile, images, { cluster, evidenceOf, createdAt, now });
    const found = [
      ...podFindings(profile, pod, snapshot.secretValues),
      ...networkFindings(profile, pod, snapshot),
      ...imageFindings(profile, images, snapshot),
      ...judged.found,
      ...reports.found,
    ];
    return { ...judged, found, validUntil: Math.min(judged.validUntil, reports.validUntil) };
  } catch (error) {
    if (!(error instanceof MalformedJson)) throw error;
    const { pointer, message } = error;
    return { ...NOTHING_TRUSTED, found: [{ code: 'pod_malformed', pointer, message }] };
  }
}

function podFindings(
  profile: PostureProfile,
  pod: JsonNode,
  values: SecretValues | undefined,
): readonly CheckFinding[] {
  const { spec } = profile;
  const found: CheckFinding[] = [];
  const { securityStandard: standard } = spec.pod;
  if (standard !== undefined) {
    for (const { check, pointer, must } of podSecurityFindings(pod, standard)) {
      const level = `${standard.level} v1.${standard.minor}`;
      found.push({
        code: 'pod_security',
        pointer,
        message: `${pointer} ${must} (${level}: ${check})`,
      });
    }
  }
  if (spec.pod.defaultServiceAccount === 'deny') {
    const account = pod.at('spec', 'serviceAccountName');
    if ((account.text() ?? 'default') === 'default') {
      const message = 'the pod runs as the service account "default"';
      found.push({ code: 'default_service_account', pointer: account.pointer, message });
    }
  }
  if (spec.pod.serviceAccountToken === 'deny') found.push(...mountedTokens(pod));
  const runs = runningImages(pod);
  const containers = containersOf(pod).filter(
    (each) => !isIgnored(profile.ignoreContainers, each, runs),
  );
  for (const container of containers) found.push(...containerFindings(profile, container, values));
  return found;
}

/** A NetworkPolicy does not apply to a pod in the network of its node. */
function networkFindings(
  { spec }: PostureProfile,
  pod: JsonNode,
  { labels, egressSelectors }: PodSnapshot,
): readonly CheckFinding[] {
  if (spec.pod.networkPolicy === 'any') return [];
  const { onUnknown } = spec.pod;
  const code = 'network_policy';
  const hostNetwork = pod.at('spec', 'hostNetwork');
  if (hostNetwork.value === true) {
    const message = 'no NetworkPolicy applies to the pod: it is in the network of its node';
    return [{ code, pointer: hostNetwork.pointer, message }];
  }
  if (egressSelectors === undefined || labels === undefined) {
    const message = 'the broker does not know the NetworkPolicies of the namespace';
    return [{ code, message, isUnknown: true, onUnknown }];
  }
  if (egressSelectors.some((selector) => selects(selector, labels))) return [];
  return [{ code, message: 'no NetworkPolicy with the policy type Egress selects the pod' }];
}

const TOKEN_DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * A live pod shows whether a token of the Kubernetes API is mounted. In a manifest, only the setting of the pod is known: its service account may
 * forbid the token too.
 */
function mountedTokens(pod: JsonNode): readonly CheckFinding[] {
  const automount = pod.at('spec', 'automountServiceAccountToken');
  const mounts = containersOf(pod).flatMap((each) => each.at('volumeMounts').items());
  const isLive = !pod.at('metadata', 'uid').isAbsent;
  const isMounted = mounts.some((mount) => mount.at('mountPath').text() === TOKEN_DIRECTORY);
  if (isLive ? !isMounted : automount.value === false) return [];
  const message =
    'a token of the Kubernetes API is mounted: automountServiceAccountToken must be false';
  return [{ code: 'service_account_token', pointer: automount.pointer, message }];
}

function containerFindings(
  profile: PostureProfile,
  node: JsonNode,
  values: SecretValues | undefined,
): readonly CheckFinding[] {
  const { spec } = profile;
  const found: CheckFinding[] = [];
  const container = node.at('name').text() ?? '';
  const place = { container, pointer: node.pointer, image: repositoryOf(node) };
  const isEphemeral = node.pointer.startsWith('/spec/ephemeralContainers/');
  if (isEphemeral && spec.pod.ephemeralContainers === 'deny') {
    const message = `the ephemeral container "${container}" runs in the pod`;
    found.push({ ...place, code: 'ephemeral_container', message });
  }
  if (spec.pod.secretsInEnvironment === 'deny') {
    const secrets = [
      ...node
        .at('env')
        .items()
        .map((variable) => variable.at('valueFrom', 'secretKeyRef')),
      ...node
        .at('envFrom')
        .items()
        .map((source) => source.at('secretRef')),
    ].filter(({ isAbsent }) => !isAbsent);
    for (const { pointer } of secrets) {
      const message = `the container "${container}" has a secret in its environment`;
      found.push({ ...place, pointer, code: 'secret_in_environment', message });
    }
  }
  const equal = secretValueFindings(profile, node, values);
  found.push(...equal.map((each) => ({ ...place, ...each })));
  // An ephemeral container cannot have limits.
  if (spec.pod.resourceLimits === 'required' && !isEphemeral) {
    for (const resource of ['cpu', 'memory']) {
      const limit = node.at('resources', 'limits', resource);
      if (!limit.isAbsent) continue;
      const message = `the container "${container}" has no limit of ${resource}`;
      found.push({ ...place, pointer: limit.pointer, code: 'resource_limits', message });
    }
  }
  return found;
}

/** Undefined for a time that no API server writes: the grace period of young pods does not apply then. */
function instantOf(text: string | undefined): number | undefined {
  const instant = Date.parse(text ?? '');
  return Number.isNaN(instant) ? undefined : instant;
}
