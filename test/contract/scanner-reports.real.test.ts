import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { readReport } from '../../src/domain/posture/reports/read-report.ts';
import { type Report } from '../../src/domain/posture/reports/report.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { MalformedJson } from '../../src/domain/text/json-node.ts';

interface TrivyResult {
  readonly Vulnerabilities?: readonly {
    readonly VulnerabilityID: string;
    readonly Severity: string;
    readonly FixedVersion?: string;
  }[];
  readonly Secrets?: readonly { readonly RuleID: string; readonly Severity: string }[];
}

interface GrypeTarget {
  readonly imageID: string;
  readonly manifestDigest: string;
  readonly repoDigests: readonly string[];
}

interface GrypeMatch {
  readonly vulnerability: {
    readonly id: string;
    readonly severity: string;
    readonly fix: { readonly state: string };
  };
  readonly relatedVulnerabilities: readonly { readonly id: string }[] | null;
}

function load(path: string): Record<string, unknown> {
  return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
}

function read(report: unknown): Report {
  return readReport(report, { format: undefined, image: [] });
}

/** Severity, name and whether there is a fix. */
function found({ sections }: Report): readonly string[] {
  const findings = sections.vulnerabilities?.findings ?? [];
  return findings.map(({ id, severity, isFixable }) => `${severity} ${id} ${isFixable}`);
}

describeWith(['trivyreports'], 'reports that Trivy 0.74.0 writes', ({ trivyreports }) => {
  const reports = readdirSync(trivyreports.program)
    .filter((name) => name.endsWith('.json.golden'))
    .map((name) => ({ name, report: load(join(trivyreports.program, name)) }));
  const ofType = (type: string) =>
    reports.filter(({ report }) => (report['ArtifactType'] ?? report['bomFormat']) === type);

  it('give each finding of an image, and the digest of its configuration', () => {
    const images = ofType('container_image');
    expect(images.length).toBeGreaterThan(30);
    for (const { name, report } of images) {
      const results = (report['Results'] ?? []) as readonly TrivyResult[];
      const { ImageID } = report['Metadata'] as { readonly ImageID: string };
      const expected = results
        .flatMap(({ Vulnerabilities = [] }) => Vulnerabilities)
        .map(
          ({ VulnerabilityID, Severity, FixedVersion = '' }) =>
            `${Severity} ${VulnerabilityID} ${FixedVersion !== ''}`,
        );
      const parsed = read(report);
      expect([name, found(parsed)]).toEqual([name, expected]);
      if (expected.length === 0) expect(parsed.stated?.vulnerabilities).toBeDefined();
      expect(parsed).toMatchObject({ scanner: 'trivy', configs: [ImageID], manifests: [] });
      expect(parsed.reportedAt).toBe(Date.parse(report['CreatedAt'] as string));
    }
  });

  it('show that nothing was scanned, also beside a system whose packages were not found', () => {
    const unscanned = ofType('container_image').flatMap(({ name, report }) => {
      const { sections, stated } = read(report);
      const { vulnerabilities = stated?.vulnerabilities } = sections;
      return vulnerabilities?.isUnscanned === true ? [name] : [];
    });
    // The scans of these images listed no packages (`--list-all-pkgs=false`), and found none of the system vulnerable.
    const notListed = ['sl-micro-rancher5.4', 'spring4shell-jre11', 'spring4shell-jre8'];
    expect(unscanned.sort()).toEqual(
      ['alpine-39-skip', ...notListed].map((name) => `${name}.json.golden`),
    );
  });

  it('name what the scan suppressed', () => {
    const path = join(trivyreports.program, 'fixtures/convert/npm-with-suppressed.json.golden');
    const parsed = read({ ...load(path), ArtifactType: 'container_image' });
    expect(found(parsed)).toContain('LOW CVE-2017-16137 true');
  });

  it('tell an operating system without updates', () => {
    const ended = ofType('container_image').filter(
      ({ report }) => read(report).sections.vulnerabilities?.isOsEnded === true,
    );
    const named = ended.map(({ name }) => name);
    expect(named).toContain('alpine-39.json.golden');
    expect(named).not.toContain('debian-buster.json.golden');
  });

  it('name rule and severity of secrets, and never what was found', () => {
    const { report } = reports.find(({ name }) => name === 'secrets.json.golden')!;
    const results = report['Results'] as readonly TrivyResult[];
    const parsed = read({ ...report, ArtifactType: 'container_image' });
    const secrets = results.flatMap(({ Secrets = [] }) => Secrets);
    expect(secrets.length).toBeGreaterThan(0);
    expect(
      parsed.sections.secrets?.findings.map(({ rule, severity }) => ({ rule, severity })),
    ).toEqual(secrets.map(({ RuleID, Severity }) => ({ rule: RuleID, severity: Severity })));
    expect(JSON.stringify(parsed)).not.toContain('****');
  });

  it.each(['repository', 'filesystem', 'vm', 'cyclonedx'])(
    'are refused for the type %s, because they are not about an image',
    (type) => {
      const others = ofType(type);
      expect(others.length).toBeGreaterThan(0);
      for (const { report } of others) {
        expect(() => read(report)).toThrow('/ArtifactType must be container_image');
      }
    },
  );

  it('are read in CycloneDX, or refused if they list parts only', () => {
    const documents = ofType('CycloneDX');
    expect(documents.map(({ report }) => report['specVersion'])).toContain('1.7');
    for (const { name, report } of documents) {
      const list = report['vulnerabilities'] as readonly object[] | undefined;
      if (list === undefined) expect(() => read(report)).toThrow('it lists parts only');
      else expect([name, read(report).scanner]).toEqual([name, 'trivy']);
    }
  });
});

describeWith(['grypereports'], 'reports that Grype 0.121.2 knows', ({ grypereports }) => {
  const at = (path: string) => load(join(grypereports.program, path));

  it.each([
    'explain/testdata/chainguard-ruby-test.json',
    'explain/testdata/ghsa-test.json',
    'explain/testdata/keycloak-test.json',
    'json/testdata/snapshot/TestJsonImgsPresenter.golden',
  ])('give each finding of an image by its CVE: %s', (path) => {
    const report = at(path);
    const matches = report['matches'] as readonly GrypeMatch[];
    const expected = matches.map(({ vulnerability, relatedVulnerabilities }) => {
      const names = [vulnerability.id, ...(relatedVulnerabilities ?? []).map(({ id }) => id)];
      const id = names.find((name) => name.startsWith('CVE-')) ?? vulnerability.id;
      return `${vulnerability.severity.toUpperCase()} ${id} ${vulnerability.fix.state === 'fixed'}`;
    });
    const parsed = read(report);
    expect(found(parsed)).toEqual(expected);
    const { target } = report['source'] as { readonly target: GrypeTarget };
    const { imageID, manifestDigest, repoDigests } = target;
    expect(parsed.configs).toEqual([imageID]);
    const named = repoDigests.map((each) => each.slice(each.indexOf('@') + 1));
    expect(parsed.manifests).toEqual(named.length === 0 ? [] : [...named, manifestDigest]);
  });

  it.each(['Dirs', 'Empty'])('are refused if they are not about an image: %s', (name) => {
    const path = name === 'Dirs' ? 'TestJsonDirsPresenter.golden' : 'TestEmptyJsonPresenter.golden';
    expect(() => read(at(`json/testdata/snapshot/${path}`))).toThrow(MalformedJson);
  });

  it('give the worst rating in CycloneDX, whatever other ratings say', () => {
    const report = at('cyclonedx/testdata/snapshot/TestCycloneDxPresenterImage.golden');
    expect(report['specVersion']).toBe('1.7');
    expect(found(read(report))).toEqual(['LOW CVE-1999-0001 true', 'CRITICAL CVE-1999-0002 false']);
  });
});
