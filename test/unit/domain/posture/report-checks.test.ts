import { describe, expect, it } from '@jest/globals';
import { parseSpec } from '../../../../src/broker/model/schema.ts';
import { evaluate } from '../../../../src/domain/posture/evaluate.ts';
import type { PostureFinding } from '../../../../src/domain/posture/finding.ts';
import type {
  Evidence,
  EvidenceKind,
  VexState,
  Vulnerability,
} from '../../../../src/domain/posture/evidence.ts';
import { PodNode } from '../../../../src/domain/posture/pod-node.ts';
import { compileProfile } from '../../../../src/domain/posture/profile.ts';
import { NOTHING_SIGNED } from '../../../kit/images/unsigned-images.ts';

const NOW = Date.parse('2026-11-27T12:00:00Z');
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const INDEX = `sha256:${'1'.repeat(64)}`;
const [AMD, ARM] = [`sha256:${'a'.repeat(64)}`, `sha256:${'b'.repeat(64)}`];
const ZLIB = 'pkg:deb/debian/zlib1g@1.2.13';
const POD = {
  metadata: {
    name: 'web-0',
    namespace: 'shop',
    uid: 'u',
    creationTimestamp: '2026-11-27T11:58:00Z',
  },
  spec: { containers: [{ name: 'web', image: `registry.test/web@${INDEX}` }] },
};

function vulnerability(change: Partial<Vulnerability> = {}): Vulnerability {
  return {
    id: 'CVE-2026-1',
    aliases: ['GHSA-1'],
    severity: 'CRITICAL',
    purl: ZLIB,
    fixedVersion: '1.2.14',
    isFixable: true,
    publishedAt: NOW - 30 * DAY,
    ...change,
  };
}

let made = 0;

function evidence(kind: EvidenceKind, section: unknown, change: Partial<Evidence> = {}): Evidence {
  made += 1;
  return {
    id: `evi_${made}`,
    kind,
    scanner: 'trivy',
    scannerVersion: '',
    digests: [INDEX],
    reportedAt: NOW - HOUR,
    receivedAt: NOW - HOUR,
    writer: 'ci',
    scope: [],
    section: () => section as never,
    ...change,
  };
}

function scan(found: readonly Vulnerability[], change: Partial<Evidence> = {}): Evidence {
  return evidence('vulnerabilities', { isOsEnded: false, findings: found }, change);
}

function vex(state: VexState, purls: readonly string[] = [], ids = ['CVE-2026-1']): Evidence {
  return evidence('vex', { findings: [{ ids, purls, state }] }, { scanner: `acme ${made}` });
}

function verdict(rules: object, known: readonly Evidence[], { pod = POD, now = NOW } = {}) {
  const spec = parseSpec('posture-profile', { mode: 'enforce', ...rules });
  return evaluate(
    compileProfile('gate', 1, spec),
    {
      cluster: 'prod',
      name: 'shop/web-0',
      pod: new PodNode(pod, ''),
      trust: NOTHING_SIGNED,
      evidenceOf: (digest) => known.filter(({ digests }) => digests.includes(digest)),
    },
    now,
  );
}

const codes = (rules: object, known: readonly Evidence[], more = {}): readonly string[] =>
  verdict(rules, known, more).findings.map(({ code, status }: PostureFinding) =>
    status === 'fail' ? code : `${code} ${status}`,
  );

const DENY = { vulnerabilities: { deny: ['CRITICAL'] } };
const gate = (rules: object) => ({ vulnerabilities: { deny: ['CRITICAL'], ...rules } });

describe('vulnerabilities', () => {
  it.each<[string, object, Partial<Vulnerability>, readonly string[]]>([
    ['a denied severity', {}, {}, ['vulnerability_denied']],
    ['another severity', {}, { severity: 'HIGH' }, []],
    ['no fix, if only fixable ones count', { fixAvailableOnly: true }, { isFixable: false }, []],
    ['no fix', {}, { isFixable: false }, ['vulnerability_denied']],
    ['a fix, if only fixable ones count', { fixAvailableOnly: true }, {}, ['vulnerability_denied']],
    ['a day of grace left', { graceDays: 31 }, {}, []],
    ['no grace left', { graceDays: 30 }, {}, ['vulnerability_denied']],
    [
      'no day of publication',
      { graceDays: 31 },
      { publishedAt: undefined },
      ['vulnerability_denied'],
    ],
    [
      'a day of publication in the future',
      {},
      { publishedAt: NOW + DAY },
      ['vulnerability_denied'],
    ],
    [
      'a day of publication in the future, with grace',
      { graceDays: 30 },
      { publishedAt: NOW + DAY },
      ['vulnerability_denied'],
    ],
    ['no rating, if these are allowed', { unknownSeverity: 'allow' }, { severity: 'UNKNOWN' }, []],
    ['no rating', {}, { severity: 'UNKNOWN' }, ['vulnerability_denied']],
  ])('are judged: %s', (_, rules, found, expected) => {
    expect(codes(gate(rules), [scan([vulnerability(found)])])).toEqual(expected);
  });

  it('begin to count when their grace ends', () => {
    const rules = gate({ graceDays: 31, reportMaxAge: '30d' });
    expect(verdict(rules, [scan([vulnerability()])]).validUntil).toBe(NOW + DAY);
  });

  it('are unknown without a report, and for a pod that was not pulled', () => {
    expect(codes(DENY, [])).toEqual(['report_missing unknown']);
    const pod = { ...POD, spec: { containers: [{ name: 'web', image: 'registry.test/web:1' }] } };
    expect(codes(DENY, [scan([])], { pod })).toEqual(['image_unknown unknown']);
    expect(codes(gate({ onUnknown: 'allow' }), [])).toEqual(['report_missing tolerated']);
  });

  it('need no report while the pod is young, if the profile says so', () => {
    const rules = gate({ firstReportGrace: '5m' });
    expect(verdict(rules, [])).toMatchObject({ findings: [], validUntil: NOW + 3 * 60_000 });
    expect(codes(rules, [], { now: NOW + 3 * 60_000 })).toEqual(['report_missing unknown']);
  });

  it('are unknown when the last report is too old, and the verdict ends then', () => {
    const rules = gate({ reportMaxAge: '2h' });
    const old = scan([], { reportedAt: NOW - HOUR });
    expect(verdict(rules, [old])).toMatchObject({ findings: [], validUntil: NOW + HOUR });
    expect(codes(rules, [old], { now: NOW + HOUR })).toEqual(['report_stale unknown']);
  });

  it('have the age since the receipt if the clock of the scanner is ahead', () => {
    const ahead = scan([], { reportedAt: NOW + 4 * 60_000, receivedAt: NOW });
    expect(verdict(gate({ reportMaxAge: '1h' }), [ahead]).validUntil).toBe(NOW + HOUR);
  });

  it.each<[string, number, number]>([
    ['older than the scan', NOW - 2 * HOUR, NOW + HOUR],
    ['newer than the scan', NOW + DAY, NOW + 2 * HOUR],
  ])('have the age in the database of the scanner if it is %s', (_, built, validUntil) => {
    const section = { isOsEnded: false, databaseBuiltAt: built, findings: [] };
    const known = [evidence('vulnerabilities', section)];
    const rules = gate({ reportMaxAge: '3h' });
    expect(verdict(rules, known).validUntil).toBe(validUntil);
    expect(codes(rules, known, { now: validUntil })).toEqual(['report_stale unknown']);
  });

  it('count from the newest report of each scanner, and from all scanners', () => {
    const older = scan([vulnerability()], { reportedAt: NOW - 2 * HOUR });
    expect(codes(DENY, [older, scan([])])).toEqual([]);
    const grype = scan([vulnerability()], { scanner: 'grype', reportedAt: NOW - 2 * HOUR });
    expect(codes(DENY, [grype, scan([])])).toEqual(['vulnerability_denied']);
  });

  it('still count in an old report of one scanner beside a new report of another', () => {
    const grype = scan([vulnerability()], { scanner: 'grype', reportedAt: NOW - 300 * HOUR });
    expect(codes(DENY, [grype, scan([])])).toEqual(['vulnerability_denied']);
    const clean = scan([], { scanner: 'grype', reportedAt: NOW - 300 * HOUR });
    expect(codes(DENY, [clean, scan([])])).toEqual([]);
  });

  it('count from every platform of an index, because the digest does not say which one runs', () => {
    const amd = scan([vulnerability()], { config: AMD, digests: [AMD, INDEX] });
    const arm = scan([], { config: ARM, digests: [ARM, INDEX], reportedAt: NOW });
    expect(codes(DENY, [amd, arm])).toEqual(['vulnerability_denied']);
  });

  it('are taken of init containers too, but not of ignored ones', () => {
    const init = { name: 'init', image: `registry.test/init@${AMD}` };
    const pod = { ...POD, spec: { ...POD.spec, initContainers: [init] } };
    const bad = scan([vulnerability()], { digests: [AMD] });
    expect(codes(DENY, [scan([]), bad], { pod })).toEqual(['vulnerability_denied']);
    const ignoreContainers = [{ name: 'init', image: 'registry.test/*' }];
    expect(codes({ ...DENY, ignoreContainers }, [scan([]), bad], { pod })).toEqual([]);
  });

  it('are found for the digest that runs', () => {
    const pod = {
      ...POD,
      spec: { containers: [{ name: 'web', image: 'registry.test/web:1' }] },
      status: { containerStatuses: [{ name: 'web', imageID: `registry.test/web@${INDEX}` }] },
    };
    expect(codes(DENY, [scan([vulnerability()])], { pod })).toEqual(['vulnerability_denied']);
  });

  it.each<[readonly string[], readonly string[]]>([
    [['registry.test'], []],
    [['registry.test/other', 'registry.test/web'], []],
    [['registry.test/we'], ['report_missing unknown']],
    [['registry.test/web/x'], ['report_missing unknown']],
    [['registry'], ['report_missing unknown']],
  ])('count from a writer for %j only for the images of its repositories', (scope, expected) => {
    expect(codes(DENY, [scan([], { scope })])).toEqual(expected);
  });

  it('are not hidden by a writer for other repositories, however new its reports are (EV11)', () => {
    const known = [
      scan([vulnerability()], { reportedAt: NOW - 2 * HOUR }),
      scan([], { scope: ['registry.test/other'] }),
    ];
    expect(codes(DENY, known)).toEqual(['vulnerability_denied']);
  });

  it('show the first ten of thousands', () => {
    const found = verdict(DENY, [scan(Array.from({ length: 500 }, () => vulnerability()))]);
    expect(found.findings).toHaveLength(11);
    expect(found.findings.at(-1)?.message).toContain('490 more findings');
  });

  it('include the end of life of the operating system, if the profile says so', () => {
    const ended = evidence('vulnerabilities', { isOsEnded: true, findings: [] });
    expect(codes(DENY, [ended])).toEqual([]);
    expect(codes(gate({ osEndOfLife: 'deny' }), [ended])).toEqual(['os_end_of_life']);
  });
});

describe('VEX', () => {
  const known = scan([vulnerability()]);
  it.each<[string, readonly Evidence[], readonly string[]]>([
    ['not_affected', [vex('not_affected')], []],
    ['fixed', [vex('fixed')], []],
    ['affected', [vex('affected')], ['vulnerability_denied']],
    ['under_investigation', [vex('under_investigation')], ['vulnerability_denied']],
    ['an alias', [vex('not_affected', [], ['GHSA-1'])], []],
    ['another id', [vex('not_affected', [], ['CVE-2026-2'])], ['vulnerability_denied']],
    ['the package in every version', [vex('fixed', ['pkg:deb/debian/zlib1g'])], []],
    ['the package in this version', [vex('fixed', [ZLIB])], []],
    [
      'the package in another version',
      [vex('fixed', ['pkg:deb/debian/zlib1g@1'])],
      ['vulnerability_denied'],
    ],
    [
      'a package with a longer name',
      [vex('fixed', ['pkg:deb/debian/zlib'])],
      ['vulnerability_denied'],
    ],
    ['authors that disagree', [vex('not_affected'), vex('affected')], ['vulnerability_denied']],
  ])('drops a vulnerability or not: %s', (_, statements, expected) => {
    expect(codes(DENY, [known, ...statements])).toEqual(expected);
  });
});

const SCANNED_TWICE = scan([vulnerability()], {
  writer: 'security',
  reportedAt: NOW - 2 * HOUR,
});

/** Writers by their scope and place. */
const WRITERS = {
  security: { writer: 'security', scope: [] },
  platform: { writer: 'platform', scope: [] },
  team: { writer: 'ci://github/acme/shop', scope: ['registry.test/web'] },
  neighbour: { writer: 'ci://github/acme/pay', scope: ['registry.test/pay'] },
  ownWatch: { writer: 'watch:prod', scope: [] },
  otherWatch: { writer: 'watch:dev', scope: [] },
} as const;
type Writer = keyof typeof WRITERS;
const ALL_WRITERS = Object.keys(WRITERS) as readonly Writer[];

describe('a clean report (EV16)', () => {
  const clean = (by: Writer, scanner = 'trivy') => scan([], { ...WRITERS[by], scanner });
  const removing: readonly Writer[] = ['security', 'platform'];
  it.each(ALL_WRITERS.flatMap((by) => ['trivy', 'grype'].map((scanner) => [by, scanner] as const)))(
    'removes what another writer found only if its own writer may speak about all images: %s with %s',
    (by, scanner) => {
      const removes = removing.includes(by) && scanner === 'trivy';
      expect(codes(DENY, [SCANNED_TWICE, clean(by, scanner)])).toEqual(
        removes ? [] : ['vulnerability_denied'],
      );
    },
  );

  it.each(ALL_WRITERS)('removes what the same writer found: %s', (by) => {
    const own = scan([vulnerability()], { ...WRITERS[by], reportedAt: NOW - 2 * HOUR });
    const isHeard = by !== 'neighbour' && by !== 'otherWatch';
    expect(codes(DENY, [own])).toEqual([
      isHeard ? 'vulnerability_denied' : 'report_missing unknown',
    ]);
    expect(codes(DENY, [own, clean(by)])).toEqual(isHeard ? [] : ['report_missing unknown']);
  });

  it.each<[string, object, readonly Writer[]]>([
    ['no one named', {}, ['security', 'platform', 'team', 'ownWatch']],
    ['a writer', { writers: ['security'] }, ['security']],
    ['pipelines', { writers: ['ci://github/acme/*'] }, ['team']],
    ['the watch of the cluster', { writers: ['watch:prod'] }, ['ownWatch']],
    ['the watch of another cluster', { writers: ['watch:dev'] }, []],
    ['every writer', { writers: ['**'] }, ['security', 'platform', 'team', 'ownWatch']],
    ['another scanner', { scanners: ['grype'] }, []],
    ['the scanner', { scanners: ['trivy'] }, ['security', 'platform', 'team', 'ownWatch']],
  ])('counts by the witnesses of the profile: %s', (_, witnesses, heard) => {
    const answers = ALL_WRITERS.filter(
      (by) => codes({ ...DENY, witnesses }, [clean(by)]).length === 0,
    );
    expect(answers).toEqual(heard);
  });

  it('removes only findings of its own team, also if the profile names the team', () => {
    const witnesses = { writers: ['security', 'ci://github/acme/*'] };
    const known = [SCANNED_TWICE, clean('team')];
    expect(codes({ ...DENY, witnesses }, known)).toEqual(['vulnerability_denied']);
    expect(codes({ ...DENY, witnesses: { writers: ['ci://**'] } }, known)).toEqual([]);
  });
});

describe('the author of VEX (EV16)', () => {
  const statement = (by: Writer, scanner = 'Acme Product Security') =>
    evidence(
      'vex',
      { findings: [{ ids: ['CVE-2026-1'], purls: [], state: 'not_affected' }] },
      { ...WRITERS[by], scanner },
    );
  it.each<[string, object, readonly Writer[]]>([
    ['by default', {}, ['security', 'platform']],
    ['a writer', { writers: ['platform'] }, ['platform']],
    ['pipelines', { writers: ['ci://**'] }, ['team']],
    ['the watch of a cluster', { writers: ['watch:*'] }, ['ownWatch']],
    ['the name in the document', { authors: ['Acme Product Security'] }, ['security', 'platform']],
    ['another name', { authors: ['Initech'] }, []],
    ['another name of a pipeline', { writers: ['**'], authors: ['Initech'] }, []],
  ])('is one that the profile names: %s', (_, named, heard) => {
    const rules = { ...DENY, witnesses: { vex: named } };
    const answers = ALL_WRITERS.filter(
      (by) => codes(rules, [SCANNED_TWICE, statement(by)]).length === 0,
    );
    expect(answers).toEqual(heard);
  });
});

describe('an image that is not the one that the container names (IS11)', () => {
  const runs = (imageID: string, image = `registry.test/web@${INDEX}`) => ({
    ...POD,
    spec: { containers: [{ name: 'web', image }] },
    status: { containerStatuses: [{ name: 'web', imageID }] },
  });
  const named = scan([]);
  const evil = scan([vulnerability()], { digests: [AMD] });

  it('needs a report of its own, and none of its vulnerabilities is denied', () => {
    const pod = runs(`registry.test/web@${AMD}`);
    expect(codes(DENY, [named], { pod })).toEqual(['report_missing unknown']);
    expect(codes(DENY, [named, evil], { pod })).toEqual(['vulnerability_denied']);
    const clean = scan([], { digests: [AMD] });
    expect(codes(DENY, [named, clean], { pod })).toEqual([]);
    expect(codes(DENY, [clean], { pod })).toEqual(['report_missing unknown']);
  });

  it('passes by no report of a writer for the repositories that the container only names', () => {
    const scope = ['registry.test/web'];
    const known = [scan([], { scope }), scan([], { scope, digests: [AMD] })];
    expect(codes(DENY, known, { pod: runs(`registry.test/web@${AMD}`) })).toEqual([]);
    const pod = runs(`evil.test/x@${AMD}`);
    expect(codes(DENY, known, { pod })).toEqual(['report_missing unknown']);
  });

  it.each<[string, Partial<Evidence>, object, boolean]>([
    ['a writer for all images', {}, {}, true],
    ['a team', WRITERS.team, {}, false],
    ['a team that the profile names', WRITERS.team, { writers: ['ci://**'] }, true],
    ['a scanner that the profile does not name', {}, { scanners: ['grype'] }, false],
  ])('is that image if a witness names both digests: %s', (_, by, witnesses, isLinked) => {
    const rules = { image: { digest: 'pinned' }, witnesses };
    const pod = runs(`registry.test/web@${AMD}`);
    const link = scan([], { ...by, digests: [INDEX, AMD] });
    expect(codes(rules, [link], { pod })).toEqual(isLinked ? [] : ['digest_mismatch']);
  });
});

describe('an exception for a vulnerability', () => {
  const exception = {
    id: 'CVE-2026-1',
    until: '2026-11-28',
    reason: 'not reachable',
    approvedBy: 'alice',
  };
  const known = [scan([vulnerability()])];
  const withException = (change: object) => gate({ exceptions: [{ ...exception, ...change }] });

  it('holds until its day, is shown, and ends the verdict', () => {
    const { findings, validUntil } = verdict(withException({}), known);
    expect(findings).toMatchObject([
      {
        code: 'vulnerability_denied',
        status: 'excepted',
        message: expect.stringContaining('excepted until 2026-11-28T00:00:00.000Z by alice: not'),
      },
    ]);
    expect(validUntil).toBe(Date.parse('2026-11-28'));
    const now = Date.parse('2026-11-28');
    expect(codes(withException({}), known, { now })).toEqual(['vulnerability_denied']);
  });

  it.each<[string, object, boolean]>([
    ['its alias', { id: 'GHSA-1' }, true],
    ['another id', { id: 'CVE-2026-9' }, false],
    ['a pattern of packages', { purl: 'pkg:deb/debian/zlib*' }, true],
    ['a pattern of other packages', { purl: 'pkg:npm/**' }, false],
  ])('is for %s: %p', (_, change, isExcepted) => {
    expect(codes(withException(change), known)).toEqual([
      isExcepted ? 'vulnerability_denied excepted' : 'vulnerability_denied',
    ]);
  });
});

describe('exposed secrets', () => {
  const rules = { exposedSecrets: { deny: ['CRITICAL', 'HIGH'] } };
  const found = (severity: string) =>
    evidence('secrets', { findings: [{ rule: 'private-key', severity, target: '/app/key.pem' }] });

  it('are denied by severity', () => {
    expect(codes(rules, [found('HIGH')])).toEqual(['exposed_secret']);
    expect(codes(rules, [found('MEDIUM')])).toEqual([]);
  });

  it('are denied without a rating, unless the profile allows them', () => {
    expect(codes(rules, [found('UNKNOWN')])).toEqual(['exposed_secret']);
    const allowing = { exposedSecrets: { ...rules.exposedSecrets, unknownSeverity: 'allow' } };
    expect(codes(allowing, [found('UNKNOWN')])).toEqual([]);
  });

  it('are unknown without a report that looked for them', () => {
    expect(codes(rules, [scan([])])).toEqual(['report_missing unknown']);
  });

  it('stay as they were found: the image of a digest does not change', () => {
    expect(verdict(rules, [found('LOW')], { now: NOW + 300 * DAY })).toMatchObject({
      findings: [],
      validUntil: Infinity,
    });
  });
});

describe('findings that a summary left out', () => {
  const omitting = (severity: string, fixable: number, others: number): Evidence =>
    evidence('vulnerabilities', {
      isOsEnded: false,
      findings: [],
      omitted: [{ severity, fixable, others }],
    });

  it.each<[string, object, Evidence, readonly string[]]>([
    ['of a denied severity', {}, omitting('CRITICAL', 0, 3), ['vulnerability_denied']],
    ['of another severity', {}, omitting('LOW', 3, 3), []],
    ['without a fix', { fixAvailableOnly: true }, omitting('CRITICAL', 0, 3), []],
    [
      'with a fix',
      { fixAvailableOnly: true },
      omitting('CRITICAL', 1, 3),
      ['vulnerability_denied'],
    ],
    ['in their grace', { graceDays: 30 }, omitting('CRITICAL', 1, 0), ['vulnerability_denied']],
  ])('count: %s', (_, rules, known, expected) => {
    expect(codes(gate(rules), [known])).toEqual(expected);
  });

  it('are not dropped by VEX, and are named with their number', () => {
    const { findings } = verdict(DENY, [omitting('CRITICAL', 2, 3), vex('not_affected')]);
    expect(findings.map(({ message }) => message)).toEqual([
      expect.stringContaining('has 5 more of severity CRITICAL in the report of trivy'),
    ]);
  });

  it('count if they are secrets', () => {
    const omitted = [{ severity: 'HIGH', fixable: 0, others: 2 }];
    const known = [evidence('secrets', { findings: [], omitted })];
    expect(codes({ exposedSecrets: { deny: ['HIGH'] } }, known)).toEqual(['exposed_secret']);
    expect(codes({ exposedSecrets: { deny: ['LOW'] } }, known)).toEqual([]);
  });
});
