import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { BrokerError } from '../../domain/errors.ts';
import type {
  Evidence,
  EvidenceKind,
  EvidenceSections,
  Vulnerability,
} from '../../domain/posture/evidence.ts';
import { SEVERITIES } from '../../domain/posture/evidence.ts';
import type { Tables } from '../../ports/tables.ts';

type Row = Tables['image_evidence'];

/** Members of a row besides its findings. */
export type EvidenceFacts = Omit<Evidence, 'section' | 'id'>;

/** Limit of an unpacked body: a report of 1 MiB has less than that to keep. */
const MAX_UNPACKED = 8 * 1_048_576;

/**
 * A later report of the same kind, scanner, image and scope has the same id. The first digest is one that every report about the
 * image has. Without the scope, a writer could replace the evidence that counts for the images of others.
 */
export function evidenceId({
  kind,
  scanner,
  digests,
  scope,
}: Pick<Evidence, 'kind' | 'scanner' | 'digests' | 'scope'>): string {
  const named = JSON.stringify([kind, scanner, digests[0], ...scope]);
  return `evi_${sha256Hex(named).slice(0, 32)}`;
}

/** The row of a section of a report. */
export function evidenceRow(
  facts: EvidenceFacts,
  section: NonNullable<EvidenceSections[EvidenceKind]>,
): Row {
  const { kind, scanner, digests, config, writer, scope } = facts;
  return {
    id: evidenceId(facts),
    kind,
    scanner,
    writer,
    scanner_version: facts.scannerVersion,
    digests: JSON.stringify(digests),
    config_digest: config ?? null,
    reported_at: facts.reportedAt,
    received_at: facts.receivedAt,
    seen_at: facts.receivedAt,
    body: packed(section),
    mac: null,
    scope: scope.length === 0 ? null : JSON.stringify(scope),
  };
}

export function openEvidence(row: Row): Evidence {
  const { id, kind, scanner, writer, body } = row;
  return {
    id,
    kind,
    scanner,
    writer,
    scannerVersion: row.scanner_version,
    digests: JSON.parse(row.digests) as string[],
    scope: row.scope === null ? [] : (JSON.parse(row.scope) as string[]),
    config: row.config_digest ?? undefined,
    reportedAt: row.reported_at,
    receivedAt: row.received_at,
    section: () => unpacked(body, kind),
  };
}

/** A vulnerability as a short list: an image has thousands, and every replica keeps all of them in memory. */
type PackedVulnerability = readonly [
  id: string,
  severity: number,
  isFixable: 0 | 1,
  fixedVersion: string,
  publishedAt: number,
  purl: string,
  ...aliases: string[],
];

interface PackedSection {
  readonly end?: boolean;
  readonly built?: number;
  /** The scanner saw no packages. */
  readonly unscanned?: boolean;
  readonly list: never[];
}

function packed(section: NonNullable<EvidenceSections[EvidenceKind]>): Uint8Array {
  const body =
    'isOsEnded' in section
      ? {
          end: section.isOsEnded,
          built: section.databaseBuiltAt,
          unscanned: section.isUnscanned === true ? true : undefined,
          list: section.findings.map(packedVulnerability),
        }
      : { list: section.findings };
  // A copy: the result of the compressor keeps its whole output block.
  return new Uint8Array(zstdCompressSync(Buffer.from(JSON.stringify(body))));
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

function unpacked(body: Uint8Array, kind: EvidenceKind): NonNullable<EvidenceSections['vex']> {
  const json = zstdDecompressSync(body, { maxOutputLength: MAX_UNPACKED }).toString();
  const { end, built, unscanned, list } = JSON.parse(json) as PackedSection;
  if (kind !== 'vulnerabilities') return { findings: list };
  const findings = (list as readonly PackedVulnerability[]).map(openVulnerability);
  const facts = { isOsEnded: end === true, isUnscanned: unscanned === true };
  return { ...facts, databaseBuiltAt: built, findings } as never;
}

function openVulnerability(found: PackedVulnerability): Vulnerability {
  const [id, rank, isFixable, fixedVersion, publishedAt, purl, ...aliases] = found;
  const severity = SEVERITIES[rank];
  if (severity === undefined) throw new BrokerError('ERR_CIPHERTEXT_INVALID');
  return {
    id,
    aliases,
    severity,
    purl,
    fixedVersion,
    isFixable: isFixable === 1,
    publishedAt: publishedAt === -1 ? undefined : publishedAt,
  };
}
