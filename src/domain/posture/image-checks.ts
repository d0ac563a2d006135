import { evidenceFor, type EvidenceOf } from './evidence.ts';
import type { Checked, CheckFinding } from './finding.ts';
import { exposedSecretFindings, vulnerabilityFindings, type JudgedImage } from './report-checks.ts';
import { imageReference, runningDigest, type ImageReference } from './image-reference.ts';
import { isTrustRuled, judgeTrust, type ImageTrust, type TrustedStatement } from './image-trust.ts';
import { containersOf, containerStatusesOf } from './pod-node.ts';
import { anyMatches, type PostureProfile } from './profile.ts';
import type { JsonNode } from '../text/json-node.ts';

export interface TrustedImage extends TrustedStatement {
  readonly container: string;
}

/** Findings about images, and the signatures and attestations that counted. */
export interface CheckedImages extends Checked {
  readonly trusted: readonly TrustedImage[];
}

/** The image of one container. */
export interface PodImage {
  readonly place: { readonly container: string; readonly pointer: string };
  /** The image reference as the container writes it. */
  readonly text: string;
  /** Undefined if no container engine accepts the name. */
  readonly reference: ImageReference | undefined;
  /** Digest of the running image; undefined before it is pulled. */
  readonly running: string | undefined;
}

export function imagesOf(profile: PostureProfile, pod: JsonNode): readonly PodImage[] {
  const running = runningImages(pod);
  return containersOf(pod)
    .filter((container) => !isIgnored(profile.ignoreContainers, container))
    .map((container) => {
      const name = container.at('name').text() ?? '';
      const image = container.at('image');
      const text = image.text() ?? '';
      const place = { container: name, pointer: image.pointer };
      return { place, text, reference: imageReference(text), running: running.get(name) };
    });
}

export function imageFindings(
  profile: PostureProfile,
  images: readonly PodImage[],
  evidenceOf: EvidenceOf,
): readonly CheckFinding[] {
  const { image: ruled, vulnerabilities, exposedSecrets } = profile.spec;
  const { registries, digest, deniedDigests, signatures, attestations } = ruled;
  const readsReports = vulnerabilities !== undefined || exposedSecrets !== undefined;
  const rules = registries.length + deniedDigests.length + signatures.length + attestations.length;
  if (rules === 0 && digest === 'any' && !readsReports) return [];
  return images.flatMap((image): readonly CheckFinding[] => {
    const { place, text, reference, running } = image;
    if (reference === undefined) {
      const message = `the container "${place.container}" names an image that no container engine accepts`;
      return [{ ...place, code: 'image_malformed', message, image: text }];
    }
    const known = evidenceFor(reference.repository, evidenceOf);
    return judgeImage(profile, { reference, running, evidenceOf: known }).map((each) =>
      ofImage(image, reference, each),
    );
  });
}

function ofImage(
  { place, text }: PodImage,
  { repository }: ImageReference,
  found: CheckFinding,
): CheckFinding {
  const message = `the image ${text} of the container "${place.container}" ${found.message}`;
  return { ...place, ...found, message, image: repository };
}

const UNPULLED = 'has no digest yet: it was not pulled';

/**
 * Checks who signed the images. The digest that the pod names is what will run, so it is what must be signed; the running digest counts only if the
 * pod names none. Images with malformed names are already reported as findings.
 */
export function trustFindings(
  profile: PostureProfile,
  images: readonly PodImage[],
  by: { readonly trust: ImageTrust; readonly now: number },
): CheckedImages {
  const { onUnknown } = profile.spec.image;
  const found: CheckFinding[] = [];
  const trusted: TrustedImage[] = [];
  let validUntil = Infinity;
  for (const image of images) {
    const { reference, running, place } = image;
    if (reference === undefined || !isTrustRuled(profile.trust, reference.repository)) continue;
    const { repository, digest = running } = reference;
    if (digest === undefined) {
      const unknown = {
        code: 'image_unknown',
        message: UNPULLED,
        isUnknown: true,
        onUnknown,
      } as const;
      found.push(ofImage(image, reference, unknown));
      continue;
    }
    const verdict = judgeTrust(profile.trust, { repository, digest }, by);
    found.push(...verdict.findings.map((each) => ofImage(image, reference, each)));
    trusted.push(...verdict.trusted.map((each) => ({ container: place.container, ...each })));
    validUntil = Math.min(validUntil, verdict.validUntil);
  }
  return { found, trusted, validUntil };
}

/** Findings of scanners about the images. The digest that the container names and the running digest both identify the image. */
export function reportFindings(
  profile: PostureProfile,
  images: readonly PodImage[],
  by: Omit<JudgedImage, 'digests'>,
): Checked {
  const checks = images.flatMap((image): readonly Checked[] => {
    const { reference, running } = image;
    if (reference === undefined) return [];
    const digests = [reference.digest, running].filter((digest) => digest !== undefined);
    const evidenceOf = evidenceFor(reference.repository, by.evidenceOf);
    return [vulnerabilityFindings, exposedSecretFindings].map((check) => {
      const { found, validUntil } = check(profile, { ...by, evidenceOf, digests });
      return { found: found.map((each) => ofImage(image, reference, each)), validUntil };
    });
  });
  return {
    found: checks.flatMap(({ found }) => found),
    validUntil: Math.min(...checks.map(({ validUntil }) => validUntil)),
  };
}

function judgeImage(
  profile: PostureProfile,
  {
    reference,
    running,
    evidenceOf,
  }: {
    readonly reference: ImageReference;
    readonly running: string | undefined;
    readonly evidenceOf: EvidenceOf;
  },
): readonly CheckFinding[] {
  const { digest: rule, onUnknown } = profile.spec.image;
  const { repository, digest: pinned } = reference;
  const found: CheckFinding[] = [];
  if (!anyMatches(profile.registries, repository)) {
    found.push({
      code: 'registry',
      message: `is from ${repository}, which "registries" does not have`,
    });
  }
  if (rule === 'pinned' && pinned === undefined) {
    found.push({ code: 'image_not_pinned', message: 'has no digest' });
  }
  if (rule === 'pinned' && pinned !== undefined && isAnother({ pinned, running, evidenceOf })) {
    const message = `runs as ${running ?? ''}, which is not the digest that it pins`;
    found.push({ code: 'digest_mismatch', message });
  }
  if (profile.deniedDigests.size === 0) return found;
  const digests = [pinned, running].filter((digest) => digest !== undefined);
  const denied = digests.find((digest) => profile.deniedDigests.has(digest));
  if (denied !== undefined) {
    found.push({ code: 'image_denied', message: `has the denied digest ${denied}` });
  } else if (digests.length === 0) {
    found.push({ code: 'image_unknown', message: UNPULLED, isUnknown: true, onUnknown });
  }
  return found;
}

/**
 * Some runtimes report the digest of the platform when the pod pins the digest of the index: a report that names both shows that they are one image.
 */
function isAnother({
  pinned,
  running,
  evidenceOf,
}: {
  readonly pinned: string;
  readonly running: string | undefined;
  readonly evidenceOf: EvidenceOf;
}): boolean {
  if (running === undefined || running === pinned) return false;
  return !evidenceOf(pinned).some(({ digests }) => digests.includes(running));
}

/** Running digests by the name of the container. */
function runningImages(pod: JsonNode): ReadonlyMap<string, string> {
  return new Map(
    containerStatusesOf(pod).flatMap((status) => {
      const digest = runningDigest(status.at('imageID').text());
      return digest === undefined ? [] : [[status.at('name').text() ?? '', digest] as const];
    }),
  );
}

export function repositoryOf(container: JsonNode): string | undefined {
  const text = container.at('image').text();
  return text === undefined ? undefined : (imageReference(text)?.repository ?? text);
}

export function isIgnored(
  ignored: PostureProfile['ignoreContainers'],
  container: JsonNode,
): boolean {
  const name = container.at('name').text() ?? '';
  const image = repositoryOf(container);
  return ignored.some((each) => each.name(name) && image !== undefined && each.image(image));
}
