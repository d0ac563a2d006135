import * as z from 'zod';
import {
  EVIDENCE_KINDS,
  type EvidenceKind,
  type EvidenceSections,
} from '../../domain/posture/evidence.ts';
import { isDigest } from '../../domain/posture/image-reference.ts';
import type { Report } from '../../domain/posture/reports/report.ts';
import { REPORT_FORMATS } from '../../domain/posture/reports/read-report.ts';
import { MalformedJson } from '../../domain/text/json-node.ts';
import { parseInput } from '../../broker/kernel/parse-input.ts';
import { packSummary, type PackedSection } from './report-summary.ts';
import { invalidReport, parseReport, type AskedReport } from './report-text.ts';

const MOST_DIGESTS = 8;
const pushed = z
  .strictObject({
    report: z.string(),
    format: z.enum(REPORT_FORMATS).optional(),
    image: z
      .array(z.string().refine(isDigest, 'must be a digest such as sha256:<64 hexadecimal digits>'))
      .max(MOST_DIGESTS)
      .default([]),
    covers: z
      .array(z.enum(['vulnerabilities', 'secrets']))
      .min(1)
      .max(2)
      .optional(),
  })
  .transform(({ report: text, ...rest }): PushedReport => ({ text, ...rest }));

export interface PushedReport extends AskedReport {
  /** Kinds of findings that the scan covered, if the sender states them. */
  readonly covers?: readonly ('vulnerabilities' | 'secrets')[] | undefined;
}

/** The body of a push. @throws ERR_BODY_INVALID, ERR_UNKNOWN_FIELD with the pointer of each problem */
export function parsePushedReport(value: unknown): PushedReport {
  return parseInput(pushed, value);
}

/** A report with the summaries of its sections, as they are stored. */
export interface PackedReport extends Omit<Report, 'sections' | 'stated'> {
  readonly sections: Readonly<Partial<Record<EvidenceKind, PackedSection>>>;
}

/** Reads the text of a report and packs its sections. @throws ERR_BODY_INVALID with the position of the fault in the text */
export function packReport({ covers, ...asked }: PushedReport): PackedReport {
  const parsed = parseReport(asked);
  const sections = covers === undefined ? parsed.sections : covered(parsed, covers);
  if (Object.keys(sections).length === 0) {
    throw invalidReport(
      'has no finding, and does not say what the scan looked for: state it ("covers"; --covers vulnerabilities,secrets)',
    );
  }
  const { scanner, scannerVersion, manifests, configs, reportedAt } = parsed;
  return { scanner, scannerVersion, manifests, configs, reportedAt, sections: packed(sections) };
}

/**
 * Chooses the covered kinds of findings. Some scanners write the same report whether they found nothing or did not look: there the word of the sender
 * counts. It never turns a report of another kind into a clean scan.
 */
function covered(
  { sections, stated, scanner }: Report,
  covers: NonNullable<PushedReport['covers']>,
): EvidenceSections {
  const known = { ...stated, ...sections };
  const missing = covers.find((kind) => known[kind] === undefined);
  if (missing !== undefined) {
    throw invalidReport(
      `is a report of ${scanner} that does not cover ${missing}: leave it out of "covers"`,
    );
  }
  const { vulnerabilities, secrets } = known;
  return {
    ...(covers.includes('vulnerabilities') && vulnerabilities && { vulnerabilities }),
    ...(covers.includes('secrets') && secrets && { secrets }),
    ...(sections.vex !== undefined && { vex: sections.vex }),
  };
}

function packed(sections: EvidenceSections): PackedReport['sections'] {
  const made: Partial<Record<EvidenceKind, PackedSection>> = {};
  try {
    for (const kind of EVIDENCE_KINDS) {
      const section = sections[kind];
      if (section !== undefined) made[kind] = packSummary(section);
    }
  } catch (error) {
    if (error instanceof MalformedJson) throw invalidReport(error.message);
    throw error;
  }
  return made;
}
