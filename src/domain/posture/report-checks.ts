import {
  newestOfEach,
  type Evidence,
  type EvidenceOf,
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
  const judge = new VulnerabilityJudge({ rules, profile, vex: byId(statements), now });
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
  const found = reports.flatMap((report) =>
    report
      .section()
      .findings.filter(({ severity }) => rules.deny.includes(severity))
      .map(({ rule, severity, target }): CheckFinding => ({
        code: 'exposed_secret',
        message: `has a secret in ${target}: ${rule} (${severity}, ${report.scanner})`,
      })),
  );
  return { found: shortened(found), validUntil: Infinity };
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
  readonly vex: ReadonlyMap<string, readonly VexStatement[]>;
  readonly now: number;
}

/** Judges the vulnerabilities of reports one after the other, and remembers when the next of them begins to count. */
class VulnerabilityJudge {
  readonly #given: Rules;
  readonly #denied: ReadonlySet<string>;
  readonly #found: CheckFinding[] = [];
  readonly #excepted: CheckFinding[] = [];
  #validUntil = Infinity;

  constructor(given: Rules) {
    this.#given = given;
    const { deny, unknownSeverity } = given.rules;
    this.#denied = new Set(unknownSeverity === 'deny' ? [...deny, 'UNKNOWN'] : deny);
  }

  /** @returns the instant up to which the scanner knew vulnerabilities: a scan of today with an old database misses the new ones. */
  take(report: Evidence<'vulnerabilities'>): number {
    const { isOsEnded, isUnscanned, databaseBuiltAt = Infinity, findings } = report.section();
    if (isUnscanned === true) {
      const message = `has a report by a scanner that saw none of its packages, or none of its operating system (${report.scanner})`;
      this.#found.push({ code: 'nothing_scanned', message });
    }
    if (isOsEnded && this.#given.rules.osEndOfLife === 'deny') {
      const message = `has an operating system without security updates (${report.scanner})`;
      this.#found.push({ code: 'os_end_of_life', message });
    }
    for (const finding of findings) this.#judge(finding, report.scanner);
    return Math.min(report.reportedAt, report.receivedAt, databaseBuiltAt);
  }

  result(validUntil: number): Checked {
    return {
      found: [...shortened(this.#found), ...this.#excepted.slice(0, MOST_SHOWN)],
      validUntil: Math.min(validUntil, this.#validUntil),
    };
  }

  #judge(finding: Vulnerability, scanner: string): void {
    const { rules, now } = this.#given;
    if (!this.#denied.has(finding.severity)) return;
    if (rules.fixAvailableOnly && !finding.isFixable) return;
    if (this.#isHarmless(finding)) return;
    const countsFrom = (finding.publishedAt ?? -Infinity) + rules.graceDays * DAY_MS;
    if (countsFrom > now) {
      this.#validUntil = Math.min(this.#validUntil, countsFrom);
      return;
    }
    const { id, severity, purl, fixedVersion } = finding;
    const fix = fixedVersion === '' ? '' : `, fixed in ${fixedVersion}`;
    const message = `has ${id} (${severity}) in ${purl}${fix} (${scanner})`;
    const exception = this.#exceptionOf(finding);
    if (exception === undefined) {
      this.#found.push({ code: 'vulnerability_denied', message });
      return;
    }
    const { until, approvedBy, reason } = exception;
    this.#validUntil = Math.min(this.#validUntil, until);
    const end = new Date(until).toISOString();
    this.#excepted.push({
      code: 'vulnerability_denied',
      message: `${message}; excepted until ${end} by ${approvedBy}: ${reason}`,
      isExcepted: true,
    });
  }

  /** Reports whether VEX declares the vulnerability harmless. A statement that the image is affected, or that this is not known yet, outweighs it. */
  #isHarmless(finding: Vulnerability): boolean {
    const { vex } = this.#given;
    if (vex.size === 0) return false;
    const states = namesOf(finding)
      .flatMap((name) => vex.get(name) ?? [])
      .filter(({ purls }) => purls.length === 0 || purls.some((each) => isPurlOf(each, finding)))
      .map(({ state }) => state);
    return (
      states.length > 0 && states.every((state) => state === 'not_affected' || state === 'fixed')
    );
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

/** A package URL without a version matches every version. A scope such as `@babel` begins with the same character as a version. */
function isPurlOf(purl: string, { purl: own }: Vulnerability): boolean {
  return own === purl || own.slice(0, own.lastIndexOf('@')) === purl;
}

function byId(statements: readonly VexStatement[]): ReadonlyMap<string, readonly VexStatement[]> {
  const found = new Map<string, VexStatement[]>();
  for (const statement of statements) {
    for (const id of statement.ids) {
      const known = found.get(id);
      if (known === undefined) found.set(id, [statement]);
      else known.push(statement);
    }
  }
  return found;
}

/** The first findings, and the number of all. */
function shortened(found: readonly CheckFinding[]): readonly CheckFinding[] {
  const [first] = found;
  if (first === undefined || found.length <= MOST_SHOWN) return found;
  const rest = found.length - MOST_SHOWN;
  return [
    ...found.slice(0, MOST_SHOWN),
    { code: first.code, message: `has ${rest} more findings of this kind` },
  ];
}
