import { sha256Hex } from '../../crypto/hashes/digest.ts';
import type { Evidence, EvidenceKind, EvidenceSections } from '../../domain/posture/evidence.ts';
import type { Tables } from '../../ports/tables.ts';
import { openSummary, packSummary, type PackedSection } from './report-summary.ts';

type Row = Tables['image_evidence'];
type Section = NonNullable<EvidenceSections[EvidenceKind]>;

/** Members of a row besides its findings. */
export type EvidenceFacts = Omit<Evidence, 'section' | 'id'>;

/**
 * A later report of the same kind, scanner, image, writer and scope has the same id. The first digest is one that every report about the image has.
 * Without writer and scope, a writer could replace the evidence of others.
 */
export function evidenceId({
  kind,
  scanner,
  digests,
  writer,
  scope,
}: Pick<Evidence, 'kind' | 'scanner' | 'digests' | 'writer' | 'scope'>): string {
  const named = JSON.stringify([kind, scanner, digests[0], writer, ...scope]);
  return `evi_${sha256Hex(named).slice(0, 32)}`;
}

/** The row of a section of a report. */
export function evidenceRow(facts: EvidenceFacts, section: Section): Row {
  return packedRow(facts, packSummary(section));
}

/** The row of a section that is packed already. */
export function packedRow(facts: EvidenceFacts, { body, count }: PackedSection): Row {
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
    body,
    mac: null,
    scope: scope.length === 0 ? null : JSON.stringify(scope),
    findings: count,
  };
}

/** Reads a row. @param read reads its summary; it may keep the result */
export function openEvidence(
  row: Row,
  read: (row: Row) => Section = ({ body, kind }) => openSummary(body, kind),
): Evidence {
  const { id, kind, scanner, writer } = row;
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
    section: () => read(row),
  };
}
