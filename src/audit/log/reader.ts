import { scanEntry, type EntryScan } from './entry-scan.ts';
import { entryTime } from './entry-query.ts';

/** A caller to which the broker released values, as the entries name it. */
export interface Reader {
  /** See the column `reader` of `log_reads`. */
  readonly key: string;
  /** `k8s://…` or `ci://…`, or the name of an operator. */
  readonly identity: string;
  /** `<namespace>/<name>` */
  readonly pod: string | undefined;
  /** `<cluster>/<node>` */
  readonly node: string | undefined;
}

/** One release of a value. */
export interface Release {
  readonly path: string;
  /** Empty for a dynamic credential. */
  readonly version: string;
  readonly index: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** The actions that hand out a value. */
const RELEASES: ReadonlySet<string> = new Set([
  '"action":"secret.read","outcome":"ok"',
  '"action":"credential.issue","outcome":"ok"',
]);

export function isRelease(what: string): boolean {
  return RELEASES.has(what);
}

interface Actor {
  readonly kind?: string;
  readonly id?: string;
  readonly token?: string;
  readonly cluster?: string;
  readonly namespace?: string;
  readonly podName?: string;
  readonly podUid?: string;
  readonly nodeName?: string;
}

/** The caller in the text of the member `actor`; undefined for parts of the broker. */
export function readerIn(text: string): Reader | undefined {
  const { actor } = JSON.parse(`{${text.slice(1)}}`) as { readonly actor: Actor };
  const { kind, id: identity = '', cluster = '', nodeName } = actor;
  const reader = { identity, pod: undefined, node: undefined };
  if (kind === 'operator') {
    const { token } = actor;
    const key = token === undefined ? identityKey(identity) : `token:${token}`;
    return { ...reader, key };
  }
  if (kind !== 'workload') return undefined;
  const { podUid, podName, namespace } = actor;
  if (podUid === undefined) return { ...reader, key: identityKey(identity) };
  return {
    key: `pod:${cluster}/${podUid}`,
    identity,
    pod: `${namespace ?? ''}/${podName ?? ''}`,
    node: nodeName === undefined ? undefined : `${cluster}/${nodeName}`,
  };
}

/** Key of the reads of an identity without pod and token, and of its pods and tokens that are gone. */
export function identityKey(identity: string): string {
  return `identity:${identity}`;
}

/** The release of a value that the entry records. */
export function releaseOf(
  index: number,
  scan: Pick<EntryScan, 'path' | 'rareTerms'>,
  at: number,
): Release | undefined {
  if (scan.path === undefined) return undefined;
  const version = scan.rareTerms.find(({ kind }) => kind === 'version')?.term ?? '';
  return { path: decoded(scan.path), version: decoded(version), index, at: at || 0 };
}

export interface ReleaseTo {
  readonly reader: Reader;
  readonly release: Release;
}

/** Undefined unless the entry records the release of a value to a caller. */
export function releaseIn(index: number, entry: string): ReleaseTo | undefined {
  const scan = scanEntry(entry);
  if (scan === undefined || !isRelease(scan.what)) return undefined;
  const reader = readerIn(scan.actor);
  const release = releaseOf(index, scan, entryTime(entry));
  return reader && release && { reader, release };
}

/** Decodes the text between two quotes of an entry, which is ASCII. */
function decoded(text: string): string {
  return text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text;
}
