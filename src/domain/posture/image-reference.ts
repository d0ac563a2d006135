/** The image that a container names (https://github.com/distribution/reference). */
export interface ImageReference {
  /**
   * Host and path, without tag and digest. A name without a host stays as it is: the node that pulls it decides which registry it is from, so it matches only
   * patterns without a host.
   */
  readonly repository: string;
  /** Digest with its algorithm: `sha256:…`. */
  readonly digest: string | undefined;
}

const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;
const PATH = /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*$/;
const HOST = /^(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/;
const TAG = /^\w[\w.-]{0,127}$/;
const MAX_LENGTH = 1_024;

export function isDigest(text: string): boolean {
  return DIGEST.test(text);
}

/** Undefined for a text that no container engine accepts. */
export function imageReference(text: string): ImageReference | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const [named = '', digest, ...more] = text.split('@');
  if (more.length > 0 || (digest !== undefined && !isDigest(digest))) return undefined;
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  if (colon !== -1 && !TAG.test(named.slice(colon + 1))) return undefined;
  const repository = wholeRepository(colon === -1 ? named : named.slice(0, colon));
  return repository === undefined ? undefined : { repository, digest };
}

/** Reports whether the text is a repository or the beginning of one, up to a slash: `registry.example:5000`, `registry.example/prod`. */
export function isRepositoryPrefix(text: string): boolean {
  const below = `${text}/x`;
  const reference = imageReference(below);
  return reference?.repository === below && reference.digest === undefined;
}

function wholeRepository(named: string): string | undefined {
  const segments = named.split('/');
  const [first = ''] = segments;
  const hasHost = segments.length > 1 && (/[.:[]/.test(first) || first === 'localhost');
  const path = hasHost ? segments.slice(1) : segments;
  if ((hasHost && !HOST.test(first)) || !path.every((segment) => PATH.test(segment))) {
    return undefined;
  }
  return hasHost ? [first.toLowerCase(), ...path].join('/') : named;
}

/** The image that a container runs, as its node reports it. */
export interface RunningImage {
  readonly digest: string;
  /** Undefined if the runtime names only the digest. */
  readonly repository: string | undefined;
}

/** The image in a container's `imageID`. Undefined before the image is pulled. */
export function runningImage(imageId: string | undefined): RunningImage | undefined {
  const digest = runningDigest(imageId);
  if (imageId === undefined || digest === undefined) return undefined;
  const named = imageId.slice(0, -digest.length).replace(/^[a-z-]+:\/\//, '');
  const repository = named.endsWith('@')
    ? imageReference(named.slice(0, -1))?.repository
    : undefined;
  return { digest, repository };
}

/** Reports whether two names are of one repository. Runtimes report a name without a host as the repository that they pulled from: Docker Hub by default. */
export function isSameRepository(a: string, b: string): boolean {
  return a === b || qualified(a) === qualified(b);
}

/** The registry from which nodes pull names without a host. */
const HUB = ['docker', 'io'].join('.');

function qualified(repository: string): string {
  const [first = ''] = repository.split('/');
  const hasHost = repository.includes('/') && (/[.:[]/.test(first) || first === 'localhost');
  if (hasHost) return repository.replace(`index.${HUB}/`, `${HUB}/`);
  return repository.includes('/') ? `${HUB}/${repository}` : `${HUB}/library/${repository}`;
}

/**
 * The digest in a container's `imageID`, which runtimes write as `repository@digest`, with or without a scheme, or as the digest alone.
 * Undefined before the image is pulled.
 */
export function runningDigest(imageId: string | undefined): string | undefined {
  const digest = imageId?.slice(imageId.lastIndexOf('@') + 1);
  return digest !== undefined && isDigest(digest) ? digest : undefined;
}
