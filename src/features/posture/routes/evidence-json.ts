import type { StoredEvidence } from '../evidence.ts';
import {
  SEVERITIES,
  type Evidence,
  type EvidenceSections,
  type ExposedSecret,
  type VexStatement,
  type Vulnerability,
} from '../../../domain/posture/evidence.ts';
import { instant } from '../../../domain/time/instant.ts';
import type { Shape } from '../../../api/contract/shapes.ts';

export function evidenceJson(evidence: Evidence): Shape<'Evidence'> {
  const { id, kind, scanner, scannerVersion, digests, writer, scope, ...times } = evidence;
  return {
    id,
    kind,
    scanner,
    digests,
    writer,
    ...(scope.length > 0 && { scope }),
    ...(scannerVersion !== '' && { scannerVersion }),
    reportedAt: instant(times.reportedAt),
    receivedAt: instant(times.receivedAt),
  };
}

export function countedEvidenceJson({ evidence, count }: StoredEvidence): Shape<'CountedEvidence'> {
  return { ...evidenceJson(evidence), count };
}

/** @param count the findings of the report, of which the broker kept the worst ones */
export function evidenceDetailsJson({ evidence, count }: StoredEvidence): Shape<'EvidenceDetails'> {
  const section: NonNullable<EvidenceSections[keyof EvidenceSections]> = evidence.section();
  const findings = section.findings
    .map((found) => ({ rank: rankOf(found), finding: findingJson(found) }))
    .sort((a, b) => a.rank - b.rank);
  return {
    ...evidenceJson(evidence),
    ...('isOsEnded' in section && scanJson(section)),
    count,
    findings: findings.map(({ finding }) => finding),
  };
}

function scanJson({
  isOsEnded,
  databaseBuiltAt,
}: NonNullable<EvidenceSections['vulnerabilities']>): Pick<
  Shape<'EvidenceDetails'>,
  'osEndOfLife' | 'databaseBuiltAt'
> {
  return {
    osEndOfLife: isOsEnded,
    ...(databaseBuiltAt !== undefined && { databaseBuiltAt: instant(databaseBuiltAt) }),
  };
}

type Found = Vulnerability | ExposedSecret | VexStatement;

function rankOf(found: Found): number {
  return 'state' in found ? 0 : SEVERITIES.indexOf(found.severity);
}

function findingJson(found: Found): Shape<'EvidenceFinding'> {
  if ('state' in found) {
    const { ids, purls, state } = found;
    const [id = '', ...aliases] = ids;
    return { id, aliases, place: purls.join(' '), state };
  }
  if ('rule' in found) {
    const { rule, severity, target } = found;
    return { id: rule, severity, place: target };
  }
  const { id, aliases, severity, isFixable: fixable, fixedVersion, publishedAt, purl } = found;
  return {
    id,
    aliases,
    severity,
    place: purl,
    fixable,
    ...(fixedVersion !== '' && { fixedVersion }),
    ...(publishedAt !== undefined && { publishedAt: instant(publishedAt) }),
  };
}
