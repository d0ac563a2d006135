import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  readReport,
  type ReportFormat,
} from '../../../../../src/domain/posture/reports/read-report.ts';
import { type Report } from '../../../../../src/domain/posture/reports/report.ts';
import {
  clairReport,
  CONFIG,
  cosignVuln,
  cycloneDx,
  grypeReport,
  INDEX,
  openVex,
  operatorReport,
  PLATFORM,
  SCANNED_AT,
  trivyReport,
  TRIVY_SECRETS,
} from '../../../../kit/images/scanner-reports.ts';
import { MalformedJson } from '../../../../../src/domain/text/json-node.ts';

const OTHER = `sha256:${'f'.repeat(64)}`;

function read(
  value: unknown,
  image: readonly string[] = [],
): Report & { readonly format: ReportFormat } {
  return readReport(value, { format: undefined, image });
}

function fault(value: unknown, image: readonly string[] = []): string {
  try {
    read(value, image);
  } catch (error) {
    expect(error).toBeInstanceOf(MalformedJson);
    return (error as Error).message;
  }
  throw new Error('the report was accepted');
}

const EACH: readonly (readonly [ReportFormat, () => Record<string, unknown>])[] = [
  ['trivy', trivyReport],
  ['trivy-operator', () => operatorReport('VulnerabilityReport')],
  ['trivy-operator', () => operatorReport('ExposedSecretReport')],
  ['grype', grypeReport],
  ['clair', clairReport],
  ['cyclonedx', cycloneDx],
  ['openvex', openVex],
  ['cosign-vuln', cosignVuln],
];

describe('a report of a scanner', () => {
  it.each(EACH)('is recognized by its content: %s', (format, make) => {
    expect(read(make()).format).toBe(format);
  });

  it.each(EACH)('never crashes its adapter, whatever it has in place of a part: %s', (_, make) => {
    const places = pathsOf(make());
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.anything({ maxDepth: 2 }), (path, value) => {
        const report = changed(make(), path, value);
        try {
          read(report);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedJson);
        }
      }),
      { numRuns: 400 },
    );
  });

  it('does not confuse members with those of every object', () => {
    const report = JSON.parse(
      '{"SchemaVersion":2,"ArtifactName":"x","__proto__":{"ArtifactType":"filesystem"},"Results":[]}',
    ) as unknown;
    expect(read(report, [INDEX]).stated?.vulnerabilities?.findings).toEqual([]);
    expect(fault(cycloneDx({}, { analysis: { state: 'constructor' } }))).toContain(
      'is not a state',
    );
  });

  it('is refused if it is in no known format, or no object', () => {
    expect(fault({ runs: [] })).toContain('the report is in no known format');
    expect(fault([trivyReport()])).toContain('must be a JSON object');
  });

  it('is refused if it has a severity that no scanner writes', () => {
    expect(fault(trivyReport({}, [{ Severity: 'mild' }]))).toBe(
      '/Results/0/Vulnerabilities/0/Severity is not a severity',
    );
  });

  it('is refused if a text or a list is too long', () => {
    const long = 'x'.repeat(5_000);
    expect(fault(trivyReport({}, [{ InstalledVersion: long }]))).toContain(
      '/Results/0/Vulnerabilities/0/InstalledVersion may have 4096',
    );
    const many = Array.from({ length: 50_001 }, () => ({}));
    expect(fault(trivyReport({}, many))).toContain('/Results/0/Vulnerabilities has 50001 findings');
  });

  it('is refused if it is about another image than the sender names', () => {
    expect(fault(trivyReport(), [OTHER])).toContain(`not ${OTHER}`);
    expect(read(trivyReport(), [CONFIG]).manifests).toEqual([INDEX]);
  });
});

describe('Trivy', () => {
  it('has digests of index and configuration, the time and the version', () => {
    expect(read(trivyReport())).toMatchObject({
      scanner: 'trivy',
      scannerVersion: '0.74.0',
      manifests: [INDEX],
      configs: [CONFIG],
      reportedAt: Date.parse(SCANNED_AT),
    });
  });

  it('has vulnerabilities by CVE, with package URLs without qualifiers', () => {
    expect(read(trivyReport()).sections.vulnerabilities?.findings).toEqual([
      {
        id: 'CVE-2026-1000',
        aliases: [],
        severity: 'CRITICAL',
        purl: 'pkg:deb/debian/zlib1g@1.2.13',
        fixedVersion: '1.2.14',
        isFixable: true,
        publishedAt: Date.parse('2026-10-01'),
      },
    ]);
  });

  it.each(['0.69.4', 'v0.69.5', '0.69.6'])('is refused in the poisoned release %s', (Version) => {
    expect(fault(trivyReport({ Trivy: { Version } }))).toContain('poisoned release');
    const version = Version;
    const predicate = cosignVuln(trivyReport({ Trivy: {} }));
    (predicate['predicate'] as { scanner: { version: string } }).scanner.version = version;
    expect(fault(predicate)).toContain('poisoned release');
    expect(fault(operatorReport('VulnerabilityReport', { scanner: { version } }))).toContain(
      'poisoned release',
    );
  });

  it('covers secrets only if it shows that it looked for them', () => {
    expect(read(trivyReport()).sections.secrets).toBeUndefined();
    const { sections } = read(trivyReport({ Results: [TRIVY_SECRETS] }));
    expect(sections.vulnerabilities).toBeUndefined();
    expect(sections.secrets?.findings).toEqual([
      { rule: 'aws-access-key-id', severity: 'CRITICAL', target: '/app/.env' },
    ]);
  });

  it('has no digest of a registry after the scan of a tar file', () => {
    const { manifests, configs } = read(trivyReport({ Metadata: { ImageID: CONFIG } }));
    expect([manifests, configs]).toEqual([[], [CONFIG]]);
  });

  it('never proves by itself that it found nothing, because a scan for secrets lists packages too (EV15)', () => {
    const { sections, stated } = read(trivyReport({}, []));
    expect(sections).toEqual({});
    expect(stated).toEqual({
      vulnerabilities: { isOsEnded: false, isUnscanned: false, findings: [] },
      secrets: { findings: [] },
    });
  });

  const OS = { Class: 'os-pkgs', Type: 'debian' };
  const NPM = { Class: 'lang-pkgs', Type: 'npm', Packages: [{ Name: 'lodash' }] };
  const LISTED = { ...OS, Packages: [{ Name: 'zlib1g' }] };
  it.each<[string, string | undefined, readonly object[] | undefined, boolean]>([
    ['no result', 'debian', undefined, true],
    ['no result and no operating system', 'none', [], true],
    ['only secrets', 'debian', [TRIVY_SECRETS], true],
    ['only the configuration', 'debian', [{ Class: 'config', Packages: [{}] }], true],
    ['a deleted database of packages', 'debian', [OS], true],
    ['a deleted database beside packages of a language', 'debian', [OS, NPM], true],
    ['only packages of a language, although it knows the system', 'alpine', [NPM], true],
    ['packages of the operating system', 'debian', [LISTED], false],
    ['packages of both', 'debian', [LISTED, NPM], false],
    ['packages of a language on no operating system', 'none', [NPM], false],
    ['packages of a language without a word about the system', undefined, [NPM], false],
    [
      'vulnerabilities without a list of packages',
      'debian',
      [{ ...OS, Vulnerabilities: [{ VulnerabilityID: 'CVE-2026-1' }] }],
      false,
    ],
  ])('knows whether it saw packages: %s', (_, Family, Results, isUnscanned) => {
    const Metadata = { ImageID: CONFIG, ...(Family !== undefined && { OS: { Family } }) };
    const { sections, stated } = read(trivyReport({ Metadata, Results }));
    const { vulnerabilities = stated?.vulnerabilities } = sections;
    expect(vulnerabilities?.isUnscanned).toBe(isUnscanned);
  });

  it('has the findings that its own filter suppressed (EV15)', () => {
    const dropped = (Type: string, Finding: object, Status = 'ignored') => ({
      Type,
      Status,
      Finding,
    });
    const Results = [
      {
        ...OS,
        ExperimentalModifiedFindings: [
          dropped('vulnerability', { VulnerabilityID: 'CVE-2026-7', Severity: 'CRITICAL' }),
          dropped(
            'vulnerability',
            { VulnerabilityID: 'CVE-2026-8', Severity: 'HIGH' },
            'not_affected',
          ),
          dropped('misconfiguration', { ID: 'DS001' }),
        ],
      },
      {
        Class: 'secret',
        Target: '/app/.env',
        ExperimentalModifiedFindings: [
          dropped('secret', { RuleID: 'private-key', Severity: 'HIGH' }),
        ],
      },
    ];
    expect(read(trivyReport({ Results })).sections).toMatchObject({
      vulnerabilities: { findings: [{ id: 'CVE-2026-7' }, { id: 'CVE-2026-8' }] },
      secrets: { findings: [{ rule: 'private-key' }] },
    });
  });

  it('is refused for a file system', () => {
    expect(fault(trivyReport({ ArtifactType: 'filesystem' }))).toContain('/ArtifactType');
  });
});

describe('the Trivy Operator', () => {
  it('reports vulnerabilities and the end of life of the operating system', () => {
    const { sections, manifests } = read(operatorReport('VulnerabilityReport'));
    expect(manifests).toEqual([INDEX]);
    expect(sections).toMatchObject({
      vulnerabilities: { isOsEnded: true, findings: [{ severity: 'HIGH', isFixable: false }] },
    });
  });

  it.each<[string, Record<string, unknown>, boolean]>([
    ['no operating system and no finding', { os: {}, vulnerabilities: [] }, true],
    ['the operating system "none"', { os: { family: 'none' }, vulnerabilities: [] }, true],
    ['an operating system', { vulnerabilities: [] }, false],
    ['a finding', { os: {} }, false],
  ])('knows whether it saw packages: %s', (_, change, isUnscanned) => {
    const { sections } = read(operatorReport('VulnerabilityReport', change));
    expect(sections.vulnerabilities?.isUnscanned).toBe(isUnscanned);
  });

  it('reports secrets', () => {
    expect(read(operatorReport('ExposedSecretReport')).sections).toEqual({
      secrets: { findings: [{ rule: 'private-key', severity: 'HIGH', target: '/app/.env' }] },
    });
  });

  it('is refused for a report that is kept as history, and for other kinds', () => {
    const annotations = { 'trivy-operator.aquasecurity.github.io/report-ttl': '0s' };
    const historical = { ...operatorReport('VulnerabilityReport'), metadata: { annotations } };
    expect(fault(historical)).toContain('historical');
    expect(fault(operatorReport('ConfigAuditReport'))).toContain('/kind');
  });
});

describe('Grype', () => {
  it('names a vulnerability by its CVE, and keeps the GHSA as an alias', () => {
    expect(read(grypeReport()).sections.vulnerabilities?.findings).toMatchObject([
      {
        id: 'CVE-2021-23337',
        aliases: ['GHSA-35jh-r3h4-6jhm'],
        severity: 'HIGH',
        fixedVersion: '4.17.21',
        isFixable: true,
      },
    ]);
  });

  it('names the platform of an index by the digest of its manifest, which it invents for a tar file', () => {
    expect(read(grypeReport())).toMatchObject({
      manifests: [INDEX, PLATFORM],
      configs: [CONFIG],
    });
    const target = { imageID: CONFIG, manifestDigest: PLATFORM, repoDigests: [] };
    const ofTar = read(grypeReport({ source: { type: 'image', target } }));
    expect(ofTar).toMatchObject({ manifests: [], configs: [CONFIG] });
  });

  const [MATCH] = grypeReport()['matches'] as readonly object[];
  const KERNEL = {
    namespace: '',
    package: { name: 'linux-libc-dev', 'upstream-name': 'linux', type: 'deb', language: '' },
    'match-type': 'exact-indirect-match',
  };
  it.each<[string, readonly object[], number]>([
    ['only-fixed', [{ 'fix-state': 'not-fixed' }], 2],
    ['a rule for one vulnerability', [{ vulnerability: 'CVE-2021-23337' }], 2],
    ['VEX', [{ 'vex-status': 'not_affected' }], 2],
    ['no rule that it names', [], 2],
    ['a rule for every match of the headers', [{ ...KERNEL, 'match-type': '' }], 2],
    ['the headers of a kernel, and another rule', [KERNEL, { vulnerability: 'CVE-1' }], 2],
    ['the headers of a kernel, as always', [KERNEL], 1],
  ])('has the matches that the scan ignored by %s', (_, appliedIgnoreRules, count) => {
    const report = grypeReport({ ignoredMatches: [{ ...MATCH, appliedIgnoreRules }] });
    expect(read(report).sections.vulnerabilities?.findings).toHaveLength(count);
  });

  it('is refused if the scan left out paths of the image (EV15)', () => {
    const { descriptor } = grypeReport() as { readonly descriptor: object };
    const withConfiguration = (configuration: object) =>
      grypeReport({ descriptor: { ...descriptor, configuration } });
    expect(fault(withConfiguration({ exclude: ['./usr/**'] }))).toContain(
      '/descriptor/configuration/exclude names paths',
    );
    expect(read(withConfiguration({ exclude: [] })).scanner).toBe('grype');
  });

  it.each<[string, object, boolean]>([
    ['no distribution and no match', { matches: [], distro: { name: '' } }, true],
    ['no word about the distribution', { matches: [], distro: undefined }, true],
    ['a distribution', { matches: [] }, false],
    ['a match', { distro: undefined }, false],
  ])('knows whether it saw packages: %s', (_, change, isUnscanned) => {
    const { sections } = read(grypeReport(change as Record<string, unknown>));
    expect(sections.vulnerabilities?.isUnscanned).toBe(isUnscanned);
  });

  it('says when its database was built', () => {
    const built = Date.parse('2026-11-26T00:00:00Z');
    expect(read(grypeReport()).sections.vulnerabilities?.databaseBuiltAt).toBe(built);
  });

  it('is refused if Grype calls its own database invalid', () => {
    const descriptor = { name: 'grype', version: '0.121.2', timestamp: SCANNED_AT };
    const withDatabase = (status: object) =>
      grypeReport({ descriptor: { ...descriptor, db: { status } } });
    expect(fault(withDatabase({ valid: false }))).toContain('/descriptor/db/status/valid is false');
    expect(read(withDatabase({})).scanner).toBe('grype');
  });
});

describe('Clair', () => {
  it('joins packages with vulnerabilities, and has no time', () => {
    const { reportedAt, configs, sections } = read(clairReport());
    expect([reportedAt, configs]).toEqual([undefined, [PLATFORM]]);
    expect(sections.vulnerabilities?.findings).toMatchObject([
      { id: 'CVE-2026-2000', severity: 'MEDIUM', purl: 'openssl@3.0.11-1', isFixable: false },
    ]);
  });

  it('saw nothing if it lists no package', () => {
    const empty = clairReport({ packages: {}, package_vulnerabilities: {} });
    expect(read(empty).sections.vulnerabilities?.isUnscanned).toBe(true);
    expect(read(clairReport()).sections.vulnerabilities?.isUnscanned).toBe(false);
  });

  it('is refused if it names a vulnerability that it does not have', () => {
    expect(fault(clairReport({ vulnerabilities: {} }))).toBe('/vulnerabilities/7 is missing');
  });
});

describe('CycloneDX', () => {
  it.each(['1.4', '1.5', '1.6'])(
    'has the worst rating of each vulnerability: %s',
    (specVersion) => {
      expect(read(cycloneDx({ specVersion }))).toMatchObject({
        manifests: [INDEX],
        configs: [CONFIG],
        sections: {
          vulnerabilities: {
            findings: [
              { id: 'CVE-2026-1000', severity: 'HIGH', purl: 'pkg:deb/debian/zlib1g@1.2.13' },
            ],
          },
        },
      });
    },
  );

  it('saw nothing if it lists no component (EV15)', () => {
    const empty = cycloneDx({ components: [], vulnerabilities: [] });
    expect(read(empty).stated?.vulnerabilities?.isUnscanned).toBe(true);
    const clean = cycloneDx({ vulnerabilities: [] });
    expect(read(clean).stated?.vulnerabilities?.isUnscanned).toBe(false);
  });

  it('takes every vulnerability for fixable if it never says which ones are', () => {
    const { sections } = read(cycloneDx({}, { recommendation: undefined }));
    expect(sections.vulnerabilities?.findings).toMatchObject([{ isFixable: true }]);
  });

  it('is VEX, and no scan, once a vulnerability has an analysis', () => {
    expect(read(cycloneDx({}, { analysis: { state: 'not_affected' } })).sections).toEqual({
      vex: {
        findings: [
          {
            ids: ['CVE-2026-1000'],
            purls: ['pkg:deb/debian/zlib1g@1.2.13'],
            state: 'not_affected',
          },
        ],
      },
    });
  });

  it('is refused without a list of vulnerabilities, and in other versions', () => {
    expect(fault(cycloneDx({ vulnerabilities: undefined }))).toContain('lists parts only');
    expect(fault(cycloneDx({ specVersion: '1.3' }))).toContain('/specVersion');
  });
});

describe('OpenVEX', () => {
  it('is about packages of an image', () => {
    expect(read(openVex())).toMatchObject({
      scanner: 'Acme Product Security',
      manifests: [INDEX],
      sections: {
        vex: {
          findings: [
            { ids: ['CVE-2026-1000'], purls: ['pkg:deb/debian/zlib1g'], state: 'not_affected' },
          ],
        },
      },
    });
  });

  it('keeps only the statements about the image that the sender names', () => {
    const products = [{ '@id': `pkg:oci/web@${INDEX}` }, { '@id': `pkg:oci/api@${OTHER}` }];
    expect(fault(openVex({ products }))).toContain('is about 2 images');
    const about = read(openVex({ products }), [OTHER]);
    expect([about.manifests, about.sections.vex?.findings]).toEqual([
      [OTHER],
      [{ ids: ['CVE-2026-1000'], purls: [], state: 'not_affected' }],
    ]);
  });

  it('takes a product that is not an image for a package', () => {
    const { sections } = read(openVex({ products: ['pkg:npm/lodash@4.17.20'] }), [INDEX]);
    expect(sections.vex?.findings).toMatchObject([{ purls: ['pkg:npm/lodash@4.17.20'] }]);
  });
});

describe('an attestation of cosign', () => {
  it('has the digest of its subject and the end of the scan', () => {
    expect(read(cosignVuln())).toMatchObject({
      manifests: [INDEX],
      configs: [CONFIG],
      reportedAt: Date.parse('2026-11-27T10:30:00Z'),
    });
  });

  it('does not prove by its type that the scan looked for vulnerabilities (EV15)', () => {
    const clean = read(cosignVuln(trivyReport({}, [])));
    expect([clean.sections, clean.stated?.vulnerabilities]).toEqual([
      {},
      { isOsEnded: false, isUnscanned: false, findings: [] },
    ]);
  });

  it('is refused if its report is about another image than its subject', () => {
    const Metadata = { RepoDigests: [`registry.test/other@${OTHER}`] };
    expect(fault(cosignVuln(trivyReport({ Metadata })))).toContain(`not ${INDEX}`);
  });

  it('is read as the predicate alone', () => {
    const { predicate } = cosignVuln();
    expect(read(predicate)).toMatchObject({ format: 'cosign-vuln', manifests: [INDEX] });
  });
});

/** Reports that Trivy 0.74.0 and Grype 0.121.2 wrote about images of Debian 12, by scanner and options. */
const RECORDED = JSON.parse(
  readFileSync(new URL('../../../../vectors/scanner-reports.json', import.meta.url), 'utf8'),
) as Readonly<Record<string, object>>;

const ALL = ['CVE-2021-23337', 'CVE-2026-1001', 'CVE-2026-1002'];
/** The broker takes a report without findings for clean only if the sender states that the scan looked for them. */
const STATED = 'clean if stated';
const NOTHING = 'nothing scanned';
/** Trivy saw no package of the operating system, and a statement does not change it. */
const NOTHING_STATED = 'nothing scanned, and only if stated';

describe('a report that a real scanner wrote', () => {
  it.each<[string, string | readonly string[]]>([
    ['trivy: packages and findings', ALL],
    ['trivy: packages, and no finding', STATED],
    ['trivy: package database deleted', NOTHING_STATED],
    ['trivy: package database deleted, nothing else', NOTHING_STATED],
    ['trivy: from scratch', NOTHING_STATED],
    ['trivy: --scanners secret', STATED],
    ['trivy: --scanners license', STATED],
    ['trivy: --skip-files var/lib/dpkg/status', ['CVE-2021-23337', NOTHING]],
    ['trivy: --pkg-types library', ['CVE-2021-23337', NOTHING]],
    ['trivy: --list-all-pkgs=false', NOTHING_STATED],
    ['trivy: .trivyignore, --show-suppressed', ALL],
    ['trivy: --ignore-policy, --show-suppressed', ALL],
    ['trivy: --vex, --show-suppressed', ALL],
    ['trivy: --format cyclonedx', STATED],
    ['trivy: --format cyclonedx --scanners vuln', ALL],
    ['trivy: --format cyclonedx, package database deleted', NOTHING_STATED],
    ['trivy: --format cyclonedx, package database deleted, nothing else', NOTHING_STATED],
    ['trivy: --format cosign-vuln --scanners secret', STATED],
    ['trivy: --format cosign-vuln', ALL],
    ['grype: findings', ALL],
    ['grype: no finding', []],
    ['grype: from scratch', [NOTHING]],
    // Grype lists no packages, so this report looks like the one of a clean image.
    ['grype: package database deleted', []],
    ['grype: --only-fixed', ALL],
    ['grype: --only-notfixed', ALL],
    ['grype: --ignore-states', ALL],
    ['grype: ignore rules', ALL],
    ['grype: --vex', ALL],
    ['grype: --exclude', '/descriptor/configuration/exclude names paths'],
    [
      'grype: indexed-archives: false',
      '/descriptor/configuration/search/indexed-archives is false',
    ],
    ['grype: --distro alpine', '/descriptor/configuration/distro replaces the distribution'],
    ['grype: --output cyclonedx-json', ['CVE-2026-1001', 'CVE-2026-1002', 'GHSA-35jh-r3h4-6jhm']],
    ['grype: --output cyclonedx-json, no finding', 'lists parts only'],
  ])('is read or refused: %s (EV15)', (name, expected) => {
    expect(outcomeOf(RECORDED[name])).toEqual(
      typeof expected === 'string' ? expect.stringContaining(expected) : expected,
    );
  });

  it('has a row in the table for each recorded one', () => {
    expect(Object.keys(RECORDED)).toHaveLength(33);
  });
});

/** Findings of a report, or the reason why it does not count. */
function outcomeOf(report: unknown): string | readonly string[] {
  let parsed: Report;
  try {
    parsed = read(report);
  } catch (error) {
    return (error as Error).message;
  }
  const { vulnerabilities } = parsed.sections;
  if (vulnerabilities !== undefined) {
    const ids = vulnerabilities.findings.map(({ id }) => id).sort();
    return vulnerabilities.isUnscanned === true ? [...ids, NOTHING] : ids;
  }
  return parsed.stated?.vulnerabilities?.isUnscanned === true ? NOTHING_STATED : STATED;
}

type Path = readonly (string | number)[];

function pathsOf(value: unknown, path: Path = []): readonly Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([name, item]) => pathsOf(item, [...path, name]))];
}

function changed(root: unknown, path: Path, value: unknown): unknown {
  const [name, ...rest] = path;
  if (name === undefined) return value;
  const copy = Array.isArray(root) ? [...(root as unknown[])] : { ...(root as object) };
  const members = copy as Record<string, unknown>;
  members[name] = changed(members[name], rest, value);
  return copy;
}
