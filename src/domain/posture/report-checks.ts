import {
  newestOfEach,
  type Evidence,
  type EvidenceOf,
  type OmittedFindings,
  type VexStatement,
  type Vulnerability,
} from './evidence.ts';
import type { Checked, CheckFinding } from './finding.ts';
import type { PostureProfile, ReportRules, VulnerabilityRules } from './profile.ts';

/** One container and what is known of its image. */
export interface JudgedImage {
  readonly digests: readonly string[];
  readonly evidenceOf: EvidenceOf;
  /** Creation time of the pod, in milliseconds since the epoch. */
  readonly createdAt: number | undefined;
  readonly now: number;
}

const NOTHING: Checked = { found: [], validUntil: Infinity };
const DAY_MS = 24 * 60 * 60_000;
/** A verdict is kept for each pod: an image with thousands of vulnerabilities must not fill the memory. */
const MOST_SHOWN = 10;

/** Findings of the reports about an image. The reports of all scanners count: a second scanner cannot outweigh the findings of the first. */
export function vulnerabilityFindings(profile: PostureProfile, image: JudgedImage): Checked {
  const rules = profile.spec.vulnerabilities;
  if (rules === undefined) return NOTHING;
  const { digests, evidenceOf, now } = image;
  const reports = newestOfEach('vulnerabilities', digests, evidenceOf);
  const missing = missingReport(rules, image, reports);
  if (missing !== undefined) return missing;
  const statements = newestOfEach('vex', digests, evidenceOf).flatMap(
    (each) => each.section().findings,
  );
  const judge = new VulnerabilityJudge({ rules, profile, vex: indexed(statements), now });
  const knownUntil = reports.map((report) => judge.take(report));
  // One fresh report is enough: the findings of an older report of another scanner still count.
  const staleAt = Math.max(...knownUntil) + rules.reportMaxAgeSeconds * 1000;
  if (staleAt > now) return judge.result(staleAt);
  const checked = judge.result(Infinity);
  const oldest = new Date(staleAt).toISOString();
  const message = `has no report that is new enough: the last one was valid until ${oldest}, by the time of the scan or of its database`;
  return {
    ...checked,
    found: [
      ...checked.found,
      { code: 'report_stale', message, isUnknown: true, onUnknown: rules.onUnknown },
    ],
  };
}

/** Findings about secrets that scanners found in the image. A report does not become outdated: the image of a digest does not change. */
export function exposedSecretFindings(profile: PostureProfile, image: JudgedImage): Checked {
  const rules = profile.spec.exposedSecrets;
  if (rules === undefined) return NOTHING;
  const reports = newestOfEach('secrets', image.digests, image.evidenceOf);
  const missing = missingReport(rules, image, reports);
  if (missing !== undefined) return missing;
  const found = new FoundList('exposed_secret');
  const denied = deniedBy(rules);
  for (const report of reports) {
    const { scanner } = report;
    const { findings, omitted = [] } = report.section();
    for (const { rule, severity, target } of findings) {
      if (denied.has(severity))
        found.add(() => `has a secret in ${target}: ${rule} (${severity}, ${scanner})`);
    }
    for (const each of omitted) if (denied.has(each.severity)) found.addOmitted(each, scanner);
  }
  return { found: found.shown(), validUntil: Infinity };
}

function deniedBy({ deny, unknownSeverity }: ReportRules): ReadonlySet<string> {
  return new Set(unknownSeverity === 'deny' ? [...deny, 'UNKNOWN'] : deny);
}

/** The verdict if the image has no report; undefined if it has one. */
function missingReport(
  rules: ReportRules,
  { digests, createdAt, now }: JudgedImage,
  reports: readonly Evidence[],
): Checked | undefined {
  if (reports.length > 0) return undefined;
  const { onUnknown } = rules;
  if (digests.length === 0) {
    const message = 'has no digest yet: it was not pulled';
    const found: CheckFinding = { code: 'image_unknown', message, isUnknown: true, onUnknown };
    return { found: [found], validUntil: Infinity };
  }
  const graceEnd = (createdAt ?? -Infinity) + rules.firstReportGraceSeconds * 1000;
  if (graceEnd > now) return { found: [], validUntil: graceEnd };
  const message = `has no report about ${digests.join(' or ')}: scan it, or wait for the scanner`;
  const found: CheckFinding = { code: 'report_missing', message, isUnknown: true, onUnknown };
  return { found: [found], validUntil: Infinity };
}

interface Rules {
  readonly rules: VulnerabilityRules;
  readonly profile: PostureProfile;
  readonly vex: VexIndex;
  readonly now: number;
}

/** Judges the vulnerabilities of reports one after the other, and remembers when the next of them begins to count. */
class VulnerabilityJudge {
  readonly #given: Rules;
  readonly #denied: ReadonlySet<string>;
  readonly #general: CheckFinding[] = [];
  readonly #found = new FoundList('vulnerability_denied');
  readonly #excepted: CheckFinding[] = [];
  #validUntil = Infinity;

  constructor(given: Rules) {
    this.#given = given;
    this.#denied = deniedBy(given.rules);
  }

  /** @returns the instant up to which the scanner knew vulnerabilities: a scan of today with an old database misses the new ones. */
  take(report: Evidence<'vulnerabilities'>): number {
    const { isOsEnded, isUnscanned, databaseBuiltAt = Infinity } = report.section();
    const { findings, omitted = [] } = report.section();
    if (isUnscanned === true) {
      const message = `has a report by a scanner that saw none of its packages, or none of its operating system (${report.scanner})`;
      this.#general.push({ code: 'nothing_scanned', message });
    }
    if (isOsEnded && this.#given.rules.osEndOfLife === 'deny') {
      const message = `has an operating system without security updates (${report.scanner})`;
      this.#general.push({ code: 'os_end_of_life', message });
    }
    for (const finding of findings) this.#judge(finding, report);
    for (const each of omitted) this.#judgeOmitted(each, report.scanner);
    return Math.min(report.reportedAt, report.receivedAt, databaseBuiltAt);
  }

  result(validUntil: number): Checked {
    return {
      found: [...this.#general, ...this.#found.shown(), ...this.#excepted],
      validUntil: Math.min(validUntil, this.#validUntil),
    };
  }

  #judge(
    finding: Vulnerability,
    { scanner, receivedAt }: Pick<Evidence, 'scanner' | 'receivedAt'>,
  ): void {
    const { rules, now } = this.#given;
    if (!this.#denied.has(finding.severity)) return;
    if (rules.fixAvailableOnly && !finding.isFixable) return;
    if (this.#isHarmless(finding)) return;
    const { publishedAt = -Infinity } = finding;
    // A day after the receipt of the report is an error: the vulnerability is published, and without grace.
    const since = publishedAt > receivedAt ? -Infinity : publishedAt;
    const countsFrom = since + rules.graceDays * DAY_MS;
    if (countsFrom > now) {
      this.#validUntil = Math.min(this.#validUntil, countsFrom);
      return;
    }
    const exception = this.#exceptionOf(finding);
    if (exception === undefined) {
      this.#found.add(() => messageOf(finding, scanner));
      return;
    }
    const { until, approvedBy, reason } = exception;
    this.#validUntil = Math.min(this.#validUntil, until);
    if (this.#excepted.length === MOST_SHOWN) return;
    const end = new Date(until).toISOString();
    this.#excepted.push({
      code: 'vulnerability_denied',
      message: `${messageOf(finding, scanner)}; excepted until ${end} by ${approvedBy}: ${reason}`,
      isExcepted: true,
    });
  }

  /** Findings that a summary leaves out count in any case: neither VEX nor an exception, nor their age, is known. */
  #judgeOmitted({ severity, fixable, others }: OmittedFindings, scanner: string): void {
    if (!this.#denied.has(severity)) return;
    const counted = this.#given.rules.fixAvailableOnly ? 0 : others;
    this.#found.addOmitted({ severity, fixable, others: counted }, scanner);
  }

  /** Reports whether VEX declares the vulnerability harmless. A statement that the image is affected, or that this is not known yet, outweighs it. */
  #isHarmless(finding: Vulnerability): boolean {
    const { vex } = this.#given;
    if (vex.size === 0) return false;
    const { purl } = finding;
    const places = ['', purl, purl.slice(0, purl.lastIndexOf('@'))];
    const states = namesOf(finding).flatMap((name) => {
      const known = vex.get(name);
      return known === undefined ? [] : places.flatMap((place) => known.get(place) ?? []);
    });
    return states.length > 0 && states.every((isHarmless) => isHarmless);
  }

  #exceptionOf(finding: Vulnerability) {
    const { profile, now } = this.#given;
    return namesOf(finding)
      .flatMap((name) => profile.vulnerabilityExceptions.get(name) ?? [])
      .find(({ exception, purl }) => exception.until > now && (purl?.(finding.purl) ?? true))
      ?.exception;
  }
}

function namesOf({ id, aliases }: Vulnerability): readonly string[] {
  return aliases.length === 0 ? [id] : [id, ...aliases];
}

function messageOf({ id, severity, purl, fixedVersion }: Vulnerability, scanner: string): string {
  const fix = fixedVersion === '' ? '' : `, fixed in ${fixedVersion}`;
  return `has ${id} (${severity}) in ${purl}${fix} (${scanner})`;
}

/**
 * States, by name of a vulnerability and package URL: whether all statements about both declare it harmless. The URL is empty for the whole
 * image; one without a version matches every version. A document may state thousands of times the same, so each pair is looked up once.
 */
type VexIndex = ReadonlyMap<string, ReadonlyMap<string, boolean>>;

function indexed(statements: readonly VexStatement[]): VexIndex {
  const found = new Map<string, Map<string, boolean>>();
  for (const { ids, purls, state } of statements) {
    const isHarmless = state === 'not_affected' || state === 'fixed';
    for (const id of ids) {
      const known = found.get(id) ?? new Map<string, boolean>();
      found.set(id, known);
      for (const purl of purls.length === 0 ? [''] : purls)
        known.set(purl, isHarmless && known.get(purl) !== false);
    }
  }
  return found;
}

/** Findings of one kind: the first ones with their messages, and the number of all. */
class FoundList {
  readonly #code: CheckFinding['code'];
  readonly #first: CheckFinding[] = [];
  readonly #omitted: CheckFinding[] = [];
  #count = 0;

  constructor(code: CheckFinding['code']) {
    this.#code = code;
  }

  add(message: () => string): void {
    this.#count += 1;
    if (this.#first.length < MOST_SHOWN) this.#first.push({ code: this.#code, message: message() });
  }

  addOmitted({ severity, fixable, others }: OmittedFindings, scanner: string): void {
    const count = fixable + others;
    if (count === 0) return;
    const message = `has ${count} more of severity ${severity} in the report of ${scanner}, which the broker counted and did not keep`;
    this.#omitted.push({ code: this.#code, message });
  }

  shown(): readonly CheckFinding[] {
    const rest = this.#count - this.#first.length;
    const message = `has ${rest} more findings of this kind`;
    return [
      ...this.#first,
      ...(rest > 0 ? [{ code: this.#code, message }] : []),
      ...this.#omitted.slice(0, MOST_SHOWN),
    ];
  }
}
