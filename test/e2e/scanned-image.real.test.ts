import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import { until } from '../kit/backends/until.ts';
import { CommandLine } from '../kit/cli/command-line.ts';
import { FakeApiServer } from '../kit/fakes/fake-api-server.ts';
import { RunningApi, type Answered } from '../kit/api/running-api.ts';
import { podToken, watchCluster } from '../kit/cluster/readers.ts';
import {
  ScannedImages,
  type ImageContent,
  type KnownVulnerability,
} from '../kit/images/scanned-images.ts';

const DAY_MS = 24 * 3_600_000;
const KNOWN: readonly KnownVulnerability[] = [
  {
    id: 'CVE-2026-1001',
    ecosystem: 'debian',
    package: 'zlib',
    severity: 'critical',
    fixed: '1.2.14',
  },
  { id: 'CVE-2026-1002', ecosystem: 'debian', package: 'openssl', severity: 'high' },
  {
    id: 'GHSA-35jh-r3h4-6jhm',
    ecosystem: 'npm',
    package: 'lodash',
    severity: 'critical',
    affected: '<4.17.21',
    fixed: '4.17.21',
    cve: 'CVE-2021-23337',
  },
];

const FIXED: ImageContent = { zlib1g: '1.2.14' };
const VULNERABLE: ImageContent = { zlib1g: '1.2.13', openssl: '3.0.11-1', lodash: '4.17.20' };
/** Id of a key, in parts, so that no scanner finds a key in this file. */
const KEY_ID = ['AKIA', 'Q3EGRIBLPRJ2FQWK'].join('');

/** The checks of profiles; the label `check` of a pod names the one that it has to pass. */
const PROFILES = {
  all: { vulnerabilities: { deny: ['CRITICAL', 'HIGH'] } },
  fixable: { vulnerabilities: { deny: ['CRITICAL', 'HIGH'], fixAvailableOnly: true } },
  secrets: { exposedSecrets: { deny: ['CRITICAL'] } },
} as const;
type Check = keyof typeof PROFILES;

interface Shown {
  readonly digests: readonly string[];
  readonly databaseBuiltAt?: string;
  readonly findings: readonly object[];
}

describeWith(['cosign', 'trivy', 'grype'], 'images that real scanners scanned', (programs) => {
  let images: ScannedImages;
  let kube: FakeApiServer;
  let api: RunningApi;
  let scanner: CommandLine;

  beforeAll(async () => {
    images = await ScannedImages.make(programs, KNOWN);
    kube = await FakeApiServer.start();
    kube.createAccount('prod', 'api');
    api = await RunningApi.start({ connections: { kube: kube.access } });
    await api.seed();
    await watchCluster({ api, kube });
    for (const [check, rules] of Object.entries(PROFILES)) {
      const match = { podLabels: { check }, secretPaths: ['app/**'] };
      await api.put(`posture-profiles/${check}`, { mode: 'enforce', match, ...rules });
    }
    scanner = await CommandLine.make();
    const token = await api.operator('scanner', [{ role: 'evidence-writer' }]);
    const file = await scanner.write('token', token);
    await scanner.ok('login', '--url', api.url, '--token-file', file);
  });
  afterAll(async () => {
    await scanner.remove();
    await api.stop();
    await kube.close();
    await images.remove();
  });

  /** Pushes an image that no other test has. @returns its digest */
  const image = (content: ImageContent, platform?: string): Promise<string> => {
    const tag = uniqueName('image');
    return images.push(tag, { env: `NAME=${tag}\n`, ...content }, platform);
  };

  const scans = {
    trivy: (digest: string, ...options: readonly string[]) =>
      images.trivy(...options, `${images.repository}@${digest}`),
    grype: (digest: string, ...options: readonly string[]) =>
      images.grype(...options, `registry:${images.repository}@${digest}`),
  };

  /** Pushes a report with the built command. @returns the stored vulnerabilities */
  async function push(report: string, ...asked: readonly string[]): Promise<Shown> {
    const isTrivy = report.includes('"Trivy"') && !asked.includes('--covers');
    const options = isTrivy ? ['--covers', 'vulnerabilities', ...asked] : asked;
    const file = await scanner.write(uniqueName('report'), report);
    const { items } = await scanner.json('evidence', 'push', file, ...options);
    return scanner.json('evidence', 'show', items[0].id as string) as Promise<Shown>;
  }

  async function pod(digest: string, check: Check = 'all'): Promise<string> {
    const name = uniqueName('pod');
    const wish = { name, image: `${images.repository}@${digest}`, labels: { check } };
    return podToken({ api, kube }, wish);
  }

  const read = (token: string): Promise<Answered> =>
    api.call('GET', '/api/v1/secrets/app/db', { token });

  async function readUntil(token: string, status: number): Promise<Answered> {
    await until(`a read is answered with ${status}`, async () => {
      return (await read(token)).status === status;
    });
    return read(token);
  }

  it.each(['trivy', 'grype'] as const)(
    'get no secret while they are vulnerable, and get it when they are fixed: %s',
    async (name) => {
      const [bad, good] = [await image(VULNERABLE), await image(FIXED)];
      const [old, updated] = [await pod(bad), await pod(good)];
      expect((await readUntil(old, 503)).body.detail).toContain('report_missing');
      await push(await scans[name](bad));
      expect((await read(old)).body).toMatchObject({
        code: 'ERR_POSTURE_DENIED',
        detail: expect.stringContaining('vulnerability_denied'),
      });
      expect((await readUntil(updated, 503)).body.code).toBe('ERR_POSTURE_PENDING');
      await push(await scans[name](good));
      expect((await read(updated)).status).toBe(200);
      expect((await read(old)).status).toBe(403);
    },
  );

  it.each(['trivy', 'grype'] as const)(
    'have the same findings, with the CVE of a GHSA: %s',
    async (name) => {
      const { findings } = await push(await scans[name](await image(VULNERABLE)));
      expect(findings).toHaveLength(KNOWN.length);
      expect(findings).toEqual(
        expect.arrayContaining([
          expect.objectContaining({
            id: 'CVE-2026-1001',
            severity: 'CRITICAL',
            fixable: true,
            fixedVersion: '1.2.14',
            place: 'pkg:deb/debian/zlib1g@1.2.13',
          }),
          expect.objectContaining({
            id: 'CVE-2026-1002',
            severity: 'HIGH',
            fixable: false,
            place: 'pkg:deb/debian/openssl@3.0.11-1',
          }),
          expect.objectContaining({
            id: 'CVE-2021-23337',
            aliases: ['GHSA-35jh-r3h4-6jhm'],
            severity: 'CRITICAL',
            fixable: true,
            fixedVersion: '4.17.21',
            place: 'pkg:npm/lodash@4.17.20',
          }),
        ]),
      );
    },
  );

  it.each(['trivy', 'grype'] as const)(
    'pass with a vulnerability without a fix only if the profile allows it: %s',
    async (name) => {
      const digest = await image({ ...FIXED, openssl: '3.0.11-1' });
      await push(await scans[name](digest));
      expect((await readUntil(await pod(digest, 'fixable'), 200)).status).toBe(200);
      expect((await readUntil(await pod(digest), 403)).body.code).toBe('ERR_POSTURE_DENIED');
    },
  );

  it('are refused with a secret in a layer, whose value goes nowhere', async () => {
    const [leaking, clean] = [
      await image({ ...FIXED, env: `AWS_ACCESS_KEY_ID=${KEY_ID}\n` }),
      await image(FIXED),
    ];
    await push(await scans.trivy(leaking), '--covers', 'vulnerabilities,secrets');
    const refused = await readUntil(await pod(leaking, 'secrets'), 403);
    expect(refused.body.detail).toContain('exposed_secret');
    await push(await scans.trivy(clean), '--covers', 'vulnerabilities,secrets');
    await readUntil(await pod(clean, 'secrets'), 200);
    const { text } = await api.call('GET', `/api/v1/evidence?image=${leaking}`, {
      token: api.admin,
    });
    expect(text).toContain('"secrets"');
    for (const kept of [text, scanner.traces]) expect(kept).not.toContain(KEY_ID);
  });

  it.each<['trivy' | 'grype', (file: string) => Promise<string>]>([
    ['trivy', (file) => images.trivy('--input', file)],
    ['grype', (file) => images.grype(`docker-archive:${file}`)],
  ])('count in a tar file for the digest that the sender names: %s', async (_, scan) => {
    const digest = await image(FIXED);
    const report = await scan(await images.pull(digest));
    const token = await pod(digest);
    const { digests } = await push(report);
    expect(digests).toHaveLength(1);
    expect(digests).not.toContain(digest);
    expect((await readUntil(token, 503)).body.detail).toContain('report_missing');
    expect((await push(report, '--image', digest)).digests).toEqual([...digests, digest]);
    expect((await read(token)).status).toBe(200);
  });

  /** Pushes an index with a fixed image for this machine and a vulnerable one for another. */
  async function twoPlatforms() {
    const amd = await image(FIXED);
    const arm = await image(VULNERABLE, 'linux/arm64');
    const index = await images.pushIndex(uniqueName('index'), [amd, arm]);
    return { amd, arm, index };
  }
  const ARM = ['--platform', 'linux/arm64'];

  it.each(['trivy', 'grype'] as const)(
    'count with every platform of an index: %s',
    async (name) => {
      const { index } = await twoPlatforms();
      const token = await pod(index);
      expect((await push(await scans[name](index))).digests).toContain(index);
      await readUntil(token, 200);
      await push(await scans[name](index, ...ARM));
      expect((await read(token)).body.code).toBe('ERR_POSTURE_DENIED');
    },
  );

  it('are known by the digest of the platform that a runtime reports if Grype scanned an index', async () => {
    const { amd, arm, index } = await twoPlatforms();
    expect((await push(await scans.grype(index))).digests).toEqual(
      expect.arrayContaining([index, amd]),
    );
    expect((await push(await scans.grype(index, ...ARM))).digests).toEqual(
      expect.arrayContaining([index, arm]),
    );
    const runningAs = async (digest: string): Promise<string> => {
      const name = uniqueName('pod');
      const labels = { check: 'all' };
      const wish = { name, image: `${images.repository}:latest`, labels };
      const token = await podToken({ api, kube }, wish);
      const made = kube.pods.get('prod', name)!;
      kube.pods.setImageId(made, 'web', `${images.repository}@${digest}`);
      return token;
    };
    await readUntil(await runningAs(amd), 200);
    expect((await readUntil(await runningAs(arm), 403)).body.code).toBe('ERR_POSTURE_DENIED');
  });

  it('are as old as the database with which Grype scanned them (EV04)', async () => {
    const digest = await image(FIXED);
    const token = await pod(digest);
    const built = new Date(Date.now() - 5 * DAY_MS);
    images.setGrypeDatabaseDate(built);
    const old = await push(await scans.grype(digest));
    expect(Math.abs(Date.parse(old.databaseBuiltAt!) - built.getTime())).toBeLessThan(1000);
    await until('the report is stale', async () => {
      const { body } = await read(token);
      return JSON.stringify(body).includes('report_stale');
    });
    images.setGrypeDatabaseDate(new Date());
    await push(await scans.grype(digest));
    expect((await read(token)).status).toBe(200);
  });
});
