import { z } from 'zod';
import {
  deleteEvidence as remove,
  listEvidence as list,
  pushEvidence as push,
  readEvidence as read,
  type StoredEvidence,
} from '../../broker/posture/evidence.ts';
import { judgeWriter } from '../../broker/recording/evidence-writers.ts';
import { MAX_REPORT_BYTES } from '../../broker/posture/report-text.ts';
import { instant } from '../../domain/time/instant.ts';
import {
  SEVERITIES,
  type Evidence,
  type EvidenceSections,
  type ExposedSecret,
  type VexStatement,
  type Vulnerability,
} from '../../domain/posture/evidence.ts';
import { REPORT_FORMATS } from '../../domain/posture/reports/read-report.ts';
import { identifier, imageDigest } from '../request/fields.ts';
import { PAGE_QUERY, readPage, shownPage } from '../request/page-query.ts';
import { parseInput, parseParameter } from '../request/parse-input.ts';
import type { RouteOf } from '../contract/route.ts';

const pushed = z.strictObject({
  report: z.string(),
  format: z.enum(REPORT_FORMATS).optional(),
  image: z.array(imageDigest).max(8).default([]),
  covers: z
    .array(z.enum(['vulnerabilities', 'secrets']))
    .min(1)
    .max(2)
    .optional(),
});

export const pushEvidence: RouteOf<'pushEvidence'> = {
  // A report is a text in the body: its quotes and line ends take two characters.
  body: { maxBytes: 2 * MAX_REPORT_BYTES },
  judge: () => judgeWriter({ action: 'evidence.write' }),
  read: ({ body }) => {
    const { report, ...rest } = parseInput(pushed, body?.value);
    return async ({ parts, call, caller }) => {
      const items = await push(parts, call, caller, { text: report, ...rest });
      return { status: 200, body: { items: items.map(shownCounted) } };
    };
  },
};

export const listEvidence: RouteOf<'listEvidence'> = {
  query: [...PAGE_QUERY, 'image'],
  read: ({ query }) => {
    const page = readPage(query);
    const image = parseParameter(imageDigest.optional(), query.get('image'));
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: shownPage(await list(parts, call, caller, { image, page }), shown),
    });
  },
};

export const readEvidence: RouteOf<'readEvidence'> = {
  read: ({ params }) => {
    const id = parseParameter(identifier, params['id']);
    return async ({ parts, call, caller }) => {
      const evidence = await read(parts, call, caller, id);
      return { status: 200, body: shownDetails(evidence) };
    };
  },
};

export const deleteEvidence: RouteOf<'deleteEvidence'> = {
  read: ({ params }) => {
    const id = parseParameter(identifier, params['id']);
    return async ({ parts, call, caller }) => {
      await remove(parts, call, caller, id);
      return { status: 204 };
    };
  },
};

function shown(evidence: Evidence): object {
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

export function shownCounted({ evidence, count }: StoredEvidence): object {
  return { ...shown(evidence), count };
}

const MOST_FINDINGS = 1_000;

function shownDetails(evidence: Evidence): object {
  const section: NonNullable<EvidenceSections[keyof EvidenceSections]> = evidence.section();
  const findings = section.findings
    .map((found) => ({ rank: rankOf(found), finding: shownFinding(found) }))
    .sort((a, b) => a.rank - b.rank);
  return {
    ...shown(evidence),
    ...('isOsEnded' in section && shownScan(section)),
    count: findings.length,
    findings: findings.slice(0, MOST_FINDINGS).map(({ finding }) => finding),
  };
}

function shownScan({
  isOsEnded,
  databaseBuiltAt,
}: NonNullable<EvidenceSections['vulnerabilities']>): object {
  return {
    osEndOfLife: isOsEnded,
    ...(databaseBuiltAt !== undefined && { databaseBuiltAt: instant(databaseBuiltAt) }),
  };
}

type Found = Vulnerability | ExposedSecret | VexStatement;

function rankOf(found: Found): number {
  return 'state' in found ? 0 : SEVERITIES.indexOf(found.severity);
}

function shownFinding(found: Found): object {
  if ('state' in found) {
    const { ids, purls, state } = found;
    const [id, ...aliases] = ids;
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
