import { digestsOfImages, evidenceFor, isOneImage, type EvidenceOf } from './evidence.ts';
import type { Checked, CheckFinding } from './finding.ts';
import { exposedSecretFindings, vulnerabilityFindings, type JudgedImage } from './report-checks.ts';
import {
  imageReference,
  isSameRepository,
  runningImage,
  type ImageReference,
  type RunningImage,
} from './image-reference.ts';
import {
  isTrustRuled,
  judgeTrust,
  type ImageTrust,
  type TrustedStatement,
  type TrustVerdict,
} from './image-trust.ts';
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

/** The evidence that the broker has, and the cluster of the pod that is judged by it. */
export interface KnownOfImages {
  readonly cluster: string;
  readonly evidenceOf: EvidenceOf;
}

/** The image of one container. */
export interface PodImage {
  readonly place: { readonly container: string; readonly pointer: string };
  /** The image reference as the container writes it. */
  readonly text: string;
  /** Undefined if no container engine accepts the name. */
  readonly reference: ImageReference | undefined;
  /** Undefined before it is pulled. */
  readonly running: RunningImage | undefined;
  /** The images that must pass; none if the name is malformed. */
  readonly subjects: readonly Subject[];
}

/** One image that must pass every check. */
interface Subject {
  readonly repository: string;
  /** Digests of this one image; none before it is pulled. */
  readonly digests: readonly string[];
  /** The beginning of messages about an image that runs, and is not the one that the container names. */
  readonly prefix: string;
}

export function imagesOf(
  profile: PostureProfile,
  pod: JsonNode,
  known: KnownOfImages,
): readonly PodImage[] {
  const runs = runningImages(pod);
  return containersOf(pod)
    .filter((container) => !isIgnored(profile.ignoreContainers, container, runs))
    .map((container) => {
      const name = container.at('name').text() ?? '';
      const image = container.at('image');
      const text = image.text() ?? '';
      const place = { container: name, pointer: image.pointer };
      const [reference, running] = [imageReference(text), runs.get(name)];
      const subjects =
        reference === undefined ? [] : subjectsOf(profile, reference, running, known);
      return { place, text, reference, running, subjects };
    });
}

/**
 * The image of a container is what its specification names, if the same runs. The name can be changed after the start, so what runs must pass under the
 * name of the container, and under its own. Some runtimes report the digest of the platform when the pod pins the digest of the index: evidence of
 * a witness shows that they are one image.
 */
function subjectsOf(
  profile: PostureProfile,
  { repository, digest }: ImageReference,
  running: RunningImage | undefined,
  { cluster, evidenceOf }: KnownOfImages,
): readonly Subject[] {
  if (running === undefined || running.digest === digest)
    return [{ repository, digests: digest === undefined ? [] : [digest], prefix: '' }];
  const linking = profile.witnesses.linking(evidenceFor({ repository, cluster }, evidenceOf));
  if (digest !== undefined && isOneImage(digest, running.digest, linking))
    return [{ repository, digests: [digest, running.digest], prefix: '' }];
  const { repository: own = repository } = running;
  const isSame = isSameRepository(own, repository);
  const runs = { digests: [running.digest], prefix: `runs as ${own}@${running.digest}, which ` };
  return [
    digest === undefined
      ? { ...runs, repository, prefix: '' }
      : { repository, digests: [digest], prefix: '' },
    ...(digest === undefined ? [] : [{ ...runs, repository }]),
    ...(isSame ? [] : [{ ...runs, repository: own }]),
  ];
}

export function imageFindings(
  profile: PostureProfile,
  images: readonly PodImage[],
  known: KnownOfImages,
): readonly CheckFinding[] {
  const { image: ruled, vulnerabilities, exposedSecrets } = profile.spec;
  const { registries, digest, deniedDigests, signatures, attestations } = ruled;
  const readsReports = vulnerabilities !== undefined || exposedSecrets !== undefined;
  const rules = registries.length + deniedDigests.length + signatures.length + attestations.length;
  if (rules === 0 && digest === 'any' && !readsReports) return [];
  return images.flatMap((image): readonly CheckFinding[] => {
    const { place, text, reference } = image;
    if (reference === undefined) {
      const message = `the container "${place.container}" names an image that no container engine accepts`;
      return [{ ...place, code: 'image_malformed', message, image: text }];
    }
    return [
      ...image.subjects.flatMap((subject) => registryFindings(profile, image, subject)),
      ...[
        ...digestFindings(profile, image, reference),
        ...deniedFindings(profile, image, known),
      ].map((each) => ofImage(image, { repository: reference.repository, prefix: '' }, each)),
    ];
  });
}

function ofImage(
  { place, text }: PodImage,
  { repository, prefix }: Pick<Subject, 'repository' | 'prefix'>,
  found: CheckFinding,
): CheckFinding {
  const message = `the image ${text} of the container "${place.container}" ${prefix}${found.message}`;
  return { ...place, ...found, message, image: repository };
}

function registryFindings(
  { registries }: PostureProfile,
  image: PodImage,
  subject: Subject,
): readonly CheckFinding[] {
  const { repository } = subject;
  // The name of the container is judged once, whatever runs.
  const isRepeated = subject.prefix !== '' && repository === image.reference?.repository;
  if (isRepeated || anyMatches(registries, repository)) return [];
  const message = `is from ${repository}, which "registries" does not have`;
  return [ofImage(image, subject, { code: 'registry', message })];
}

function digestFindings(
  { spec }: PostureProfile,
  { running, subjects }: PodImage,
  { digest }: ImageReference,
): readonly CheckFinding[] {
  if (spec.image.digest !== 'pinned') return [];
  if (digest === undefined) return [{ code: 'image_not_pinned', message: 'has no digest' }];
  if (running === undefined || subjects.length === 1) return [];
  const message = `runs as ${running.digest}, which is not the digest that it pins`;
  return [{ code: 'digest_mismatch', message }];
}

/** An index and its platforms are one image: a denied digest denies them all. */
function deniedFindings(
  { deniedDigests, spec }: PostureProfile,
  { subjects }: PodImage,
  { cluster, evidenceOf }: KnownOfImages,
): readonly CheckFinding[] {
  if (deniedDigests.size === 0) return [];
  const { onUnknown } = spec.image;
  if (subjects.every(({ digests }) => digests.length === 0))
    return [{ code: 'image_unknown', message: UNPULLED, isUnknown: true, onUnknown }];
  for (const { repository, digests } of subjects) {
    const all = digestsOfImages(digests, evidenceFor({ repository, cluster }, evidenceOf));
    for (const digest of all)
      if (deniedDigests.has(digest))
        return [{ code: 'image_denied', message: `has the denied digest ${digest}` }];
  }
  return [];
}

const UNPULLED = 'has no digest yet: it was not pulled';

/** Checks who signed the images. Images with malformed names are already reported as findings. */
export function trustFindings(
  profile: PostureProfile,
  images: readonly PodImage[],
  by: { readonly trust: ImageTrust; readonly now: number },
): CheckedImages {
  const checks = images.flatMap((image) =>
    image.subjects.map((subject): CheckedImages => {
      const { findings, trusted, validUntil } = judgeSubject(profile, subject, by);
      const found = findings.map((each) => ofImage(image, subject, each));
      const { container } = image.place;
      return { found, trusted: trusted.map((each) => ({ container, ...each })), validUntil };
    }),
  );
  return {
    found: checks.flatMap(({ found }) => found),
    trusted: checks.flatMap(({ trusted }) => trusted),
    validUntil: Math.min(...checks.map(({ validUntil }) => validUntil)),
  };
}

function judgeSubject(
  { trust: rules, spec }: PostureProfile,
  { repository, digests: [digest] }: Subject,
  by: { readonly trust: ImageTrust; readonly now: number },
): Omit<TrustVerdict, 'findings'> & { readonly findings: readonly CheckFinding[] } {
  const only = (...findings: readonly CheckFinding[]) => ({
    findings,
    trusted: [],
    validUntil: Infinity,
  });
  if (!isTrustRuled(rules, repository))
    return rules.isUnmatchedDenied ? only(unmatched(repository)) : only();
  if (digest !== undefined) return judgeTrust(rules, { repository, digest }, by);
  const { onUnknown } = spec.image;
  return only({ code: 'image_unknown', message: UNPULLED, isUnknown: true, onUnknown });
}

function unmatched(repository: string): CheckFinding {
  const message = `is from ${repository}, which no rule of "signatures" or "attestations" names`;
  return { code: 'signature_missing', message };
}

/** Findings of scanners about the images. All digests of one image identify it. */
export function reportFindings(
  profile: PostureProfile,
  images: readonly PodImage[],
  { cluster, evidenceOf, ...by }: Omit<JudgedImage, 'digests'> & KnownOfImages,
): Checked {
  const checks = images.flatMap((image) =>
    image.subjects.flatMap((subject) => {
      const { repository, digests } = subject;
      const own = evidenceFor({ repository, cluster }, evidenceOf);
      const judged = { ...by, digests, evidenceOf: profile.witnesses.counting(own) };
      return [vulnerabilityFindings, exposedSecretFindings].map((check): Checked => {
        const { found, validUntil } = check(profile, judged);
        return { found: found.map((each) => ofImage(image, subject, each)), validUntil };
      });
    }),
  );
  return {
    found: checks.flatMap(({ found }) => found),
    validUntil: Math.min(...checks.map(({ validUntil }) => validUntil)),
  };
}

/** Running images by the name of the container. */
export function runningImages(pod: JsonNode): ReadonlyMap<string, RunningImage> {
  return new Map(
    containerStatusesOf(pod).flatMap((status) => {
      const running = runningImage(status.at('imageID').text());
      return running === undefined ? [] : [[status.at('name').text() ?? '', running] as const];
    }),
  );
}

export function repositoryOf(container: JsonNode): string | undefined {
  const text = container.at('image').text();
  return text === undefined ? undefined : (imageReference(text)?.repository ?? text);
}

/** A container is ignored by its name and image, if what runs is the image that it names, or from an ignored repository too. */
export function isIgnored(
  ignored: PostureProfile['ignoreContainers'],
  container: JsonNode,
  runs: ReadonlyMap<string, RunningImage>,
): boolean {
  if (ignored.length === 0) return false;
  const name = container.at('name').text() ?? '';
  const image = repositoryOf(container);
  const running = runs.get(name);
  const digest = imageReference(container.at('image').text() ?? '')?.digest;
  return ignored.some(
    (each) =>
      each.name(name) &&
      image !== undefined &&
      each.image(image) &&
      (running === undefined ||
        running.digest === digest ||
        (running.repository !== undefined &&
          (isSameRepository(running.repository, image) || each.image(running.repository)))),
  );
}
