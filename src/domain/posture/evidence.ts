import { isUnder } from '../words/names.ts';

/** Severities from the worst to the least; `UNKNOWN` is a vulnerability that the scanner did not rate. */
export const SEVERITIES = ['CRITICAL', 'HIGH', 'MEDIUM', 'LOW', 'NEGLIGIBLE', 'UNKNOWN'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** One vulnerability of one package of an image. */
export interface Vulnerability {
  /** The CVE if there is one, else the id of the scanner. */
  readonly id: string;
  /** Other names of the vulnerability, such as `GHSA-…`. */
  readonly aliases: readonly string[];
  readonly severity: Severity;
  /** Package URL without qualifiers, or the name and version of the package if the scanner gives no URL. */
  readonly purl: string;
  /** Empty if no fix is known, or if the format does not name the version. */
  readonly fixedVersion: string;
  readonly isFixable: boolean;
  /** Milliseconds since the epoch; undefined if the report does not say. */
  readonly publishedAt?: number | undefined;
}

/** A secret that a scanner found in a file of an image. No scanner reports the value itself. */
export interface ExposedSecret {
  readonly rule: string;
  readonly severity: Severity;
  readonly target: string;
}

export const VEX_STATES = ['not_affected', 'fixed', 'affected', 'under_investigation'] as const;
export type VexState = (typeof VEX_STATES)[number];

/** A statement of the vendor of an image about one of its vulnerabilities. */
export interface VexStatement {
  readonly ids: readonly string[];
  /** Package URLs; empty: every package of the image. A URL without a version is for every version. */
  readonly purls: readonly string[];
  readonly state: VexState;
}

export const EVIDENCE_KINDS = ['vulnerabilities', 'secrets', 'vex'] as const;
export type EvidenceKind = (typeof EVIDENCE_KINDS)[number];

/** Findings of one severity that a summary leaves out. They are not the worst ones of the report. */
export interface OmittedFindings {
  readonly severity: Severity;
  readonly fixable: number;
  /** Findings without a fix, and secrets. */
  readonly others: number;
}

/** Content of a report by kind; a kind that it does not cover is absent. A summary has the worst findings, and counts those that it leaves out. */
export interface EvidenceSections {
  readonly vulnerabilities?: {
    readonly isOsEnded: boolean;
    /** The report shows that the scanner saw no package of the image, or none of its operating system: it cannot prove that none is vulnerable. */
    readonly isUnscanned?: boolean | undefined;
    /** Build time of the scanner's database, in milliseconds since the epoch; undefined if the report does not say. */
    readonly databaseBuiltAt?: number | undefined;
    readonly findings: readonly Vulnerability[];
    readonly omitted?: readonly OmittedFindings[];
  };
  readonly secrets?: {
    readonly findings: readonly ExposedSecret[];
    readonly omitted?: readonly OmittedFindings[];
  };
  readonly vex?: { readonly findings: readonly VexStatement[] };
}

/** The latest report of one kind by one scanner about one image. Instants are milliseconds since the epoch. */
export interface Evidence<Kind extends EvidenceKind = EvidenceKind> {
  readonly id: string;
  readonly kind: Kind;
  readonly scanner: string;
  readonly scannerVersion: string;
  /** All digests of this image: of the index, the manifest and the configuration. */
  readonly digests: readonly string[];
  /** The digest of the configuration, which differs between platforms; undefined if the report does not have it. */
  readonly config?: string | undefined;
  readonly reportedAt: number;
  readonly receivedAt: number;
  /** The operator or workload that sent it, or `watch:<cluster>`. */
  readonly writer: string;
  /** Prefixes of repositories: the evidence counts for their images only, because its writer may speak about no others. Empty: all. */
  readonly scope: readonly string[];
  /** Reads the summary of the findings, which is bounded. Evaluations read nothing else of a report. */
  section(): NonNullable<EvidenceSections[Kind]>;
}

/** The evidence about an image, by any of its digests. The same list until one of its members changes. */
export type EvidenceOf = (digest: string) => readonly Evidence[];

const WATCH = 'watch:';

/** The writer of the reports that the watch of a cluster reads. */
export function watchWriter(cluster: string): string {
  return `${WATCH}${cluster}`;
}

function isWatch({ writer }: Pick<Evidence, 'writer'>): boolean {
  return writer.startsWith(WATCH);
}

/** Reports whether the images of a repository are in the scope of a writer; an empty scope includes all. */
export function isInScope(repository: string, scope: readonly string[]): boolean {
  return scope.length === 0 || scope.some((prefix) => isUnder(repository, prefix));
}

/** Reports whether an admin lets the writer speak about all images, wherever they run. The objects of one cluster say nothing about another. */
export function isForAllImages(evidence: Pick<Evidence, 'writer' | 'scope'>): boolean {
  return evidence.scope.length === 0 && !isWatch(evidence);
}

/**
 * The evidence that counts for the images of a repository that run in a cluster. The repository in a report is a claim of its writer; that of the
 * container is the place from which its image is pulled.
 */
export function evidenceFor(
  { repository, cluster }: { readonly repository: string; readonly cluster: string },
  evidenceOf: EvidenceOf,
): EvidenceOf {
  const ownWatch = watchWriter(cluster);
  return (digest) =>
    evidenceOf(digest).filter(
      (each) => (!isWatch(each) || each.writer === ownWatch) && isInScope(repository, each.scope),
    );
}

/**
 * The reports that count: the newest of each scanner, as far as its writer may replace those of others. Two reports of different platforms of one
 * index do not replace each other, because the digest of the index does not say which platform runs.
 */
export function newestOfEach<Kind extends EvidenceKind>(
  kind: Kind,
  digests: readonly string[],
  evidenceOf: EvidenceOf,
): readonly Evidence<Kind>[] {
  const matching = new Set(digests.flatMap((digest) => evidenceOf(digest)));
  const newestFirst = [...matching]
    .filter((each): each is Evidence<Kind> => each.kind === kind)
    .sort((a, b) => b.reportedAt - a.reportedAt);
  return newestFirst.filter(
    (each, at) => !newestFirst.slice(0, at).some((newer) => replaces(newer, each)),
  );
}

/**
 * A team that builds an image also scans it. It adds findings, and removes only its own: otherwise it would clear what the scanner of the security team
 * found. The same holds for accounts that may write the reports of a cluster.
 */
function replaces(newer: Evidence, older: Evidence): boolean {
  const isSamePlatform =
    newer.config === undefined || older.config === undefined || newer.config === older.config;
  const mayReplace = newer.writer === older.writer || isForAllImages(newer);
  return newer.scanner === older.scanner && isSamePlatform && mayReplace;
}

/** Reports whether evidence names both digests as one image, such as an index and the manifest of one of its platforms. */
export function isOneImage(digest: string, other: string, evidenceOf: EvidenceOf): boolean {
  return digest === other || evidenceOf(digest).some(({ digests }) => digests.includes(other));
}

/**
 * All digests of the images that evidence names together with these: index, platforms and configurations. Two steps lead from one platform to the index,
 * and from there to the other platforms.
 */
export function digestsOfImages(
  digests: Iterable<string>,
  evidenceOf: EvidenceOf,
): ReadonlySet<string> {
  const named = (digest: string): readonly string[] =>
    evidenceOf(digest).flatMap((each) => each.digests);
  const near = [...digests];
  const nearer = [...new Set([...near, ...near.flatMap(named)])];
  return new Set([...nearer, ...nearer.flatMap(named)]);
}
