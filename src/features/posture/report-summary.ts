import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { BrokerError } from '../../domain/errors.ts';
import {
  SEVERITIES,
  type EvidenceKind,
  type EvidenceSections,
  type ExposedSecret,
  type OmittedFindings,
  type VexStatement,
  type Vulnerability,
} from '../../domain/posture/evidence.ts';
import { MalformedJson } from '../../domain/text/json-node.ts';

type Section = NonNullable<EvidenceSections[EvidenceKind]>;

/**
 * Bounds of a summary. Each evaluation of a pod with the image reads it on the event loop: measured, 0.3 ms for one at both bounds.
 * Statements of VEX are never left out, because one that says "affected" outweighs others; so a document may have only so many.
 */
export const SUMMARY_BOUNDS = {
  findings: 500,
  bytes: 65_536,
  statements: 2_000,
  statementBytes: 262_144,
};
/** Limit of an unpacked summary: the larger bound, with room for what is counted. */
const MOST_UNPACKED = 2 * 1_048_576;

/** A section of a report as it is stored. */
export interface PackedSection {
  readonly body: Uint8Array;
  /** Number of findings of the report, those included that the summary leaves out. */
  readonly count: number;
}

/** A vulnerability as a short list: an image has thousands, and every replica keeps the summaries of all images in memory. */
type PackedVulnerability = readonly [
  id: string,
  severity: number,
  isFixable: 0 | 1,
  fixedVersion: string,
  publishedAt: number,
  purl: string,
  ...aliases: string[],
];

type PackedOmission = readonly [severity: number, fixable: number, others: number];

interface Packed {
  readonly end?: boolean;
  readonly built?: number | undefined;
  /** The scanner saw no packages. */
  readonly unscanned?: boolean;
  readonly list: readonly never[];
  readonly omitted?: readonly PackedOmission[];
}

/** Packs the summary of a section: its worst findings, and the counts of the others. @throws MalformedJson for too many statements */
export function packSummary(section: Section): PackedSection {
  const { findings } = section;
  const made = isVex(findings) ? { list: bounded(findings) } : worstOf(findings);
  const scan =
    'isOsEnded' in section
      ? {
          end: section.isOsEnded,
          built: section.databaseBuiltAt,
          unscanned: section.isUnscanned === true ? true : undefined,
        }
      : {};
  const json = JSON.stringify({ ...scan, ...made });
  // A copy: the result of the compressor keeps its whole output block.
  return { body: new Uint8Array(zstdCompressSync(Buffer.from(json))), count: findings.length };
}

/** Reads a summary. @throws ERR_CIPHERTEXT_INVALID */
export function openSummary(body: Uint8Array, kind: EvidenceKind): Section {
  const json = zstdDecompressSync(body, { maxOutputLength: MOST_UNPACKED }).toString();
  const { end, built, unscanned, list, omitted = [] } = JSON.parse(json) as Packed;
  if (kind === 'vex') return { findings: list as readonly VexStatement[] };
  const left = omitted.map(openOmission);
  if (kind === 'secrets') return { findings: list, omitted: left };
  const findings = (list as readonly PackedVulnerability[]).map(openVulnerability);
  const facts = { isOsEnded: end === true, isUnscanned: unscanned === true };
  return { ...facts, databaseBuiltAt: built, findings, omitted: left };
}

type Findings = Section['findings'];

function isVex(findings: Findings): findings is readonly VexStatement[] {
  const [first] = findings;
  return first !== undefined && 'state' in first;
}

/** Pairs of a name and a package that a statement is about: an evaluation compares each of them. */
function pairsOf({ ids, purls }: VexStatement): number {
  return ids.length * Math.max(1, purls.length);
}

function bounded(statements: readonly VexStatement[]): readonly VexStatement[] {
  const pairs = statements.reduce((sum, each) => sum + pairsOf(each), 0);
  if (pairs > SUMMARY_BOUNDS.statements) {
    throw exceeded(`${pairs} statements, each name and package counted`, SUMMARY_BOUNDS.statements);
  }
  const bytes = statements.reduce((sum, each) => sum + bytesOf(each), 0);
  if (bytes > SUMMARY_BOUNDS.statementBytes) {
    throw exceeded(`${bytes} bytes of statements`, SUMMARY_BOUNDS.statementBytes);
  }
  return statements;
}

function exceeded(actual: string, limit: number): MalformedJson {
  return new MalformedJson('', `has ${actual}; the limit is ${limit}`, 'the report');
}

function worstOf(findings: readonly (Vulnerability | ExposedSecret)[]): object {
  const sorted = findings.toSorted((a, b) => rankOf(a) - rankOf(b));
  let bytes = 0;
  let kept = 0;
  const list: object[] = [];
  for (const each of sorted) {
    const packed = 'purl' in each ? packedVulnerability(each) : each;
    bytes += bytesOf(packed);
    if (kept === SUMMARY_BOUNDS.findings || bytes > SUMMARY_BOUNDS.bytes) break;
    list.push(packed);
    kept += 1;
  }
  const omitted = omissions(sorted.slice(kept));
  return omitted.length === 0 ? { list } : { list, omitted };
}

/** Bytes of a value in a list as JSON. */
function bytesOf(value: object): number {
  return Buffer.byteLength(JSON.stringify(value)) + 1;
}

function rankOf(finding: Vulnerability | ExposedSecret): number {
  const rank = SEVERITIES.indexOf(finding.severity) * 2;
  return 'isFixable' in finding && finding.isFixable ? rank : rank + 1;
}

function omissions(left: readonly (Vulnerability | ExposedSecret)[]): readonly PackedOmission[] {
  return SEVERITIES.flatMap((severity, rank) => {
    const own = left.filter((each) => each.severity === severity);
    const fixable = own.filter((each) => 'isFixable' in each && each.isFixable).length;
    return own.length === 0 ? [] : [[rank, fixable, own.length - fixable] as const];
  });
}

function openOmission([rank, fixable, others]: PackedOmission): OmittedFindings {
  return { severity: severityAt(rank), fixable, others };
}

function packedVulnerability(found: Vulnerability): PackedVulnerability {
  const { id, aliases, severity, isFixable, fixedVersion, publishedAt, purl } = found;
  return [
    id,
    SEVERITIES.indexOf(severity),
    isFixable ? 1 : 0,
    fixedVersion,
    publishedAt ?? -1,
    purl,
    ...aliases,
  ];
}

function openVulnerability(found: PackedVulnerability): Vulnerability {
  const [id, rank, isFixable, fixedVersion, publishedAt, purl, ...aliases] = found;
  return {
    id,
    aliases,
    severity: severityAt(rank),
    purl,
    fixedVersion,
    isFixable: isFixable === 1,
    publishedAt: publishedAt === -1 ? undefined : publishedAt,
  };
}

function severityAt(rank: number): (typeof SEVERITIES)[number] {
  const severity = SEVERITIES[rank];
  if (severity === undefined) throw new BrokerError('ERR_CIPHERTEXT_INVALID');
  return severity;
}
