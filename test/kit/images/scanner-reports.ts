/**
 * Reports in the shapes that scanners write (the fields of Trivy 0.74, Trivy Operator 0.32, Grype 0.121, Clair 4), made up and short.
 * test/contract/scanner-reports.real.test.ts reads those that Trivy and Grype wrote.
 */

export const INDEX = `sha256:${'1'.repeat(64)}`;
export const PLATFORM = `sha256:${'2'.repeat(64)}`;
export const CONFIG = `sha256:${'3'.repeat(64)}`;
export const SCANNED_AT = '2026-11-27T10:00:00.123456789Z';

type Members = Record<string, unknown>;

const VULNERABILITY = {
  VulnerabilityID: 'CVE-2026-1000',
  PkgName: 'zlib1g',
  PkgIdentifier: { PURL: 'pkg:deb/debian/zlib1g@1.2.13?arch=amd64&distro=debian-12' },
  InstalledVersion: '1.2.13',
  FixedVersion: '1.2.14',
  Status: 'fixed',
  Severity: 'CRITICAL',
  SeveritySource: 'debian',
  Description: 'a text for people',
  PublishedDate: '2026-10-01T00:00:00Z',
};

/** `trivy image --format json`: one vulnerability of zlib, unless others are given. */
export function trivyReport(change: Members = {}, found: readonly Members[] = [{}]): Members {
  return {
    SchemaVersion: 2,
    Trivy: { Version: '0.74.0' },
    CreatedAt: SCANNED_AT,
    ArtifactName: 'registry.test/prod/web:1',
    ArtifactType: 'container_image',
    Metadata: {
      OS: { Family: 'debian', Name: '12.4' },
      ImageID: CONFIG,
      RepoDigests: [`registry.test/prod/web@${INDEX}`],
    },
    Results: [
      {
        Target: 'registry.test/prod/web:1 (debian 12.4)',
        Class: 'os-pkgs',
        Type: 'debian',
        Packages: [{ Name: 'zlib1g', Version: '1.2.13' }],
        Vulnerabilities: found.map((each) => ({ ...VULNERABILITY, ...each })),
      },
    ],
    ...change,
  };
}

export const TRIVY_SECRETS = {
  Target: '/app/.env',
  Class: 'secret',
  Secrets: [
    {
      RuleID: 'aws-access-key-id',
      Category: 'AWS',
      Severity: 'CRITICAL',
      Title: 'AWS Access Key ID',
      StartLine: 1,
      Match: 'AWS_ACCESS_KEY_ID=********************',
    },
  ],
};

export function operatorReport(kind: string, report: Members = {}): Members {
  const lists =
    kind === 'ExposedSecretReport'
      ? {
          secrets: [
            {
              target: '/app/.env',
              ruleID: 'private-key',
              category: 'AsymmetricPrivateKey',
              severity: 'HIGH',
              title: 'Asymmetric Private Key',
              match: '*****',
            },
          ],
        }
      : {
          os: { family: 'debian', name: '10', eosl: true },
          vulnerabilities: [
            {
              vulnerabilityID: 'CVE-2026-1000',
              resource: 'zlib1g',
              installedVersion: '1.2.13',
              fixedVersion: '',
              severity: 'HIGH',
              packagePURL: 'pkg:deb/debian/zlib1g@1.2.13',
              publishedDate: '2026-10-01T00:00:00Z',
            },
          ],
        };
  return {
    apiVersion: 'aquasecurity.github.io/v1alpha1',
    kind,
    metadata: {
      name: 'replicaset-web-7d-web',
      namespace: 'shop',
      labels: { 'trivy-operator.container.name': 'web' },
    },
    report: {
      updateTimestamp: '2026-11-27T10:00:00Z',
      scanner: { name: 'Trivy', vendor: 'Aqua Security', version: '0.74.0' },
      registry: { server: 'registry.test' },
      artifact: { repository: 'prod/web', tag: '1', digest: INDEX },
      summary: { criticalCount: 0 },
      ...lists,
      ...report,
    },
  };
}

export function grypeReport(change: Members = {}): Members {
  return {
    matches: [
      {
        vulnerability: {
          id: 'GHSA-35jh-r3h4-6jhm',
          severity: 'High',
          fix: { versions: ['4.17.21'], state: 'fixed' },
        },
        relatedVulnerabilities: [{ id: 'CVE-2021-23337' }],
        artifact: { name: 'lodash', version: '4.17.20', purl: 'pkg:npm/lodash@4.17.20' },
      },
    ],
    distro: { name: 'debian', version: '12', idLike: [] },
    source: {
      type: 'image',
      target: {
        imageID: CONFIG,
        manifestDigest: PLATFORM,
        repoDigests: [`registry.test/prod/web@${INDEX}`],
      },
    },
    descriptor: {
      name: 'grype',
      version: '0.121.2',
      timestamp: SCANNED_AT,
      db: { status: { built: '2026-11-26T00:00:00Z', valid: true } },
    },
    ...change,
  };
}

export function clairReport(change: Members = {}): Members {
  return {
    manifest_hash: PLATFORM,
    packages: { '10': { id: '10', name: 'openssl', version: '3.0.11-1' } },
    vulnerabilities: {
      '7': {
        id: '7',
        name: 'CVE-2026-2000 on Debian 12',
        issued: '0001-01-01T00:00:00Z',
        normalized_severity: 'Medium',
        fixed_in_version: '',
      },
    },
    package_vulnerabilities: { '10': ['7'] },
    ...change,
  };
}

export function cycloneDx(change: Members = {}, vulnerability: Members = {}): Members {
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    metadata: {
      timestamp: '2026-11-27T10:00:00Z',
      tools: { components: [{ type: 'application', name: 'trivy', version: '0.74.0' }] },
      component: {
        'bom-ref': 'root',
        type: 'container',
        name: 'web',
        purl: `pkg:oci/web@${INDEX.replace(':', '%3A')}?repository_url=registry.test%2Fprod%2Fweb`,
        properties: [{ name: 'aquasecurity:trivy:ImageID', value: CONFIG }],
      },
    },
    components: [
      { 'bom-ref': 'p1', name: 'zlib1g', version: '1.2.13', purl: 'pkg:deb/debian/zlib1g@1.2.13' },
    ],
    vulnerabilities: [
      {
        id: 'CVE-2026-1000',
        ratings: [{ severity: 'medium' }, { severity: 'high' }],
        recommendation: 'Upgrade zlib1g to version 1.2.14',
        published: '2026-10-01T00:00:00+00:00',
        affects: [{ ref: 'p1' }],
        ...vulnerability,
      },
    ],
    ...change,
  };
}

export function openVex(statement: Members = {}, change: Members = {}): Members {
  return {
    '@context': 'https://openvex.dev/ns/v0.2.0',
    '@id': 'https://acme.test/vex/1',
    author: 'Acme Product Security',
    timestamp: '2026-11-27T11:00:00Z',
    version: 1,
    statements: [
      {
        vulnerability: { name: 'CVE-2026-1000' },
        products: [
          {
            '@id': `pkg:oci/web@${INDEX.replace(':', '%3A')}`,
            subcomponents: [{ '@id': 'pkg:deb/debian/zlib1g' }],
          },
        ],
        status: 'not_affected',
        justification: 'vulnerable_code_not_in_execute_path',
        ...statement,
      },
    ],
    ...change,
  };
}

export function cosignVuln(result: Members = trivyReport(), change: Members = {}): Members {
  return {
    _type: 'https://in-toto.io/Statement/v0.1',
    predicateType: 'https://cosign.sigstore.dev/attestation/vuln/v1',
    subject: [{ name: 'registry.test/prod/web', digest: { sha256: INDEX.slice(7) } }],
    predicate: {
      invocation: { uri: '', event_id: '' },
      scanner: {
        uri: 'pkg:github/aquasecurity/trivy@0.74.0',
        version: '0.74.0',
        db: { uri: '', version: '' },
        result,
      },
      metadata: {
        scanStartedOn: '2026-11-27T09:59:00Z',
        scanFinishedOn: '2026-11-27T10:30:00Z',
        ...change,
      },
    },
  };
}
