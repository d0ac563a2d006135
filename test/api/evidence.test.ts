import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import { FakeApiServer } from '../kit/fakes/fake-api-server.ts';
import { itemsOf, RunningApi, type Answered } from '../kit/api/running-api.ts';
import { grypeReport, openVex, trivyReport, TRIVY_SECRETS } from '../kit/images/scanner-reports.ts';
import { storedEntries, type StoredEntry } from '../kit/store/store-diff.ts';
import { podToken, watchCluster } from '../kit/cluster/readers.ts';

const HOUR_MS = 3_600_000;
const VULNERABILITIES = { deny: ['CRITICAL'] };

let kube: FakeApiServer;
let api: RunningApi;
let scanner: string;
let tests = 0;

beforeAll(async () => {
  kube = await FakeApiServer.start();
  kube.createAccount('prod', 'api');
  api = await RunningApi.start({ connections: { kube: kube.access } });
  await api.seed();
  await watchCluster({ api, kube });
  scanner = await api.operator('scanner', [{ role: 'evidence-writer' }]);
});
afterAll(async () => {
  await api.stop();
  await kube.close();
});

/** A digest that no other test has, and reports about the image with it, scanned by default a minute ago. */
function image() {
  tests += 1;
  const digest = `sha256:${String(tests).padStart(64, 'e')}`;
  const at = (agoMs = 60_000): string => new Date(Date.now() - agoMs).toISOString();
  const Metadata = { RepoDigests: [`registry.test/web@${digest}`] };
  return {
    digest,
    report: (found: object[] = [{}], change: object = {}) =>
      trivyReport({ Metadata, CreatedAt: at(), ...change }, found as Record<string, unknown>[]),
    /** Builds a report of Grype without findings: a scan of now with a database that was built `agoMs` ago. */
    clean: (agoMs: number) =>
      grypeReport({
        matches: [],
        distro: { name: 'debian', version: '12' },
        source: { type: 'image', target: { repoDigests: Metadata.RepoDigests } },
        descriptor: {
          name: 'grype',
          version: '0.121.2',
          timestamp: at(0),
          db: { status: { built: at(agoMs), valid: true } },
        },
      }),
    vex: (statement: object = {}) =>
      openVex(
        { products: [{ '@id': `pkg:oci/web@${digest}` }], ...statement },
        { timestamp: at() },
      ),
    at,
  };
}

/** The statement of a sender without which a report of Trivy that has no finding proves nothing. */
const CLEAN = { covers: ['vulnerabilities'] };

function push(report: unknown, more: object = {}, token = scanner): Promise<Answered> {
  const body = { report: typeof report === 'string' ? report : JSON.stringify(report), ...more };
  return api.call('POST', '/api/v1/evidence', { token, body });
}

async function pushed(report: unknown, more: object = {}): Promise<string> {
  const { status, text, body } = await push(report, more);
  if (status !== 200) throw new Error(text);
  return body.items[0].id as string;
}

async function gate(rules: object): Promise<string> {
  const name = `gate-${tests}`;
  await api.put(`posture-profiles/${name}`, {
    mode: 'enforce',
    match: { podLabels: { test: name }, secretPaths: ['app/**'] },
    ...rules,
  });
  return name;
}

/** The token of a pod with the image, for which only the profile of this test is. */
async function podWith(digest: string, name: string): Promise<string> {
  const pod = { name: `pod-${tests}`, image: `registry.test/web@${digest}` };
  return podToken({ api, kube }, { ...pod, labels: { test: name } });
}

function read(token: string): Promise<Answered> {
  return api.call('GET', '/api/v1/secrets/app/db', { token });
}

async function untilRead(token: string, code: string | undefined): Promise<Answered> {
  let answer: Answered | undefined;
  await until(`a read is ${code ?? 'allowed'}`, async () => {
    answer = await read(token);
    return answer.body.code === code;
  });
  return answer as Answered;
}

async function lastEntry(action: string): Promise<StoredEntry | undefined> {
  const entries = await storedEntries(api.broker.parts.store);
  return entries.findLast((entry) => entry.action === action);
}

describe('a profile with vulnerabilities', () => {
  it('lets a pod wait for its first report, and refuses or gives by what the report says', async () => {
    const { digest, report, at } = image();
    const name = await gate({ vulnerabilities: VULNERABILITIES });
    const token = await podWith(digest, name);
    expect(await untilRead(token, 'ERR_POSTURE_PENDING')).toMatchObject({
      status: 503,
      body: { detail: expect.stringContaining(`${name}: report_missing`) },
      headers: { 'retry-after': '5' },
    });
    await pushed(report([{}], { CreatedAt: at(120_000) }));
    expect((await read(token)).body).toMatchObject({
      code: 'ERR_POSTURE_DENIED',
      detail: expect.stringContaining('vulnerability_denied'),
    });
    await pushed(report([{ Severity: 'HIGH' }]));
    expect((await read(token)).status).toBe(200);
  });

  it('refuses an image in which the scanner saw no package, however its writer calls the scan (EV15)', async () => {
    const { digest, report } = image();
    const token = await podWith(digest, await gate({ vulnerabilities: VULNERABILITIES }));
    const skipped = report([], { Results: [] });
    const silent = await push(skipped);
    expect([silent.status, silent.body.problems[0].message]).toEqual([
      400,
      expect.stringContaining('does not say what the scan looked for'),
    ]);
    await pushed(skipped, CLEAN);
    expect((await untilRead(token, 'ERR_POSTURE_DENIED')).body.detail).toContain('nothing_scanned');
    await pushed(report([], { CreatedAt: new Date().toISOString() }), CLEAN);
    expect((await read(token)).status).toBe(200);
  });

  it('never takes a document for a clean scan because its sender says so (EV15)', async () => {
    const { vex, clean } = image();
    for (const [document, covers] of [
      [vex(), 'vulnerabilities'],
      [vex(), 'secrets'],
      [clean(0), 'secrets'],
    ] as const) {
      const { status, body } = await push(document, { covers: [covers] });
      expect([status, body.problems[0].message]).toEqual([
        400,
        expect.stringContaining(`does not cover ${covers}`),
      ]);
    }
  });

  it('takes the age of a scan from the database of the scanner (EV04)', async () => {
    const { digest, clean } = image();
    const token = await podWith(digest, await gate({ vulnerabilities: VULNERABILITIES }));
    const id = await pushed(clean(80 * HOUR_MS));
    expect((await untilRead(token, 'ERR_POSTURE_PENDING')).body.detail).toContain('report_stale');
    const details = await api.call('GET', `/api/v1/evidence/${id}`, { token: api.admin });
    expect(Date.now() - Date.parse(details.body.databaseBuiltAt)).toBeGreaterThan(79 * HOUR_MS);
    await pushed(clean(HOUR_MS));
    expect((await read(token)).status).toBe(200);
  });

  it('drops what VEX says is harmless, until the statement is deleted', async () => {
    const { digest, report, vex } = image();
    const token = await podWith(digest, await gate({ vulnerabilities: VULNERABILITIES }));
    await pushed(report());
    await untilRead(token, 'ERR_POSTURE_DENIED');
    const id = await pushed(vex());
    expect((await read(token)).status).toBe(200);
    const path = `/api/v1/evidence/${id}`;
    expect((await api.call('DELETE', path, { token: scanner })).status).toBe(204);
    expect((await read(token)).body.code).toBe('ERR_POSTURE_DENIED');
  });

  it('shows operators which reports decide', async () => {
    const { digest, report } = image();
    const name = await gate({ vulnerabilities: VULNERABILITIES });
    await podWith(digest, name);
    await pushed(report());
    const { body } = await api.call('POST', '/api/v1/posture:explain', {
      token: api.admin,
      body: { cluster: 'watched', namespace: 'prod', pod: `pod-${tests}` },
    });
    expect(body.items).toMatchObject([
      {
        evidence: [{ scanner: 'trivy', kind: 'vulnerabilities', digests: [digest], count: 1 }],
        profiles: [
          {
            met: false,
            findings: [
              {
                code: 'vulnerability_denied',
                message: expect.stringContaining(
                  'CVE-2026-1000 (CRITICAL) in pkg:deb/debian/zlib1g@1.2.13, fixed in 1.2.14 (trivy)',
                ),
              },
            ],
          },
        ],
      },
    ]);
  });
});

describe('a profile with exposedSecrets', () => {
  it('needs a scan that looked for secrets', async () => {
    const { digest, report } = image();
    const token = await podWith(digest, await gate({ exposedSecrets: { deny: ['CRITICAL'] } }));
    await pushed(report());
    await untilRead(token, 'ERR_POSTURE_PENDING');
    await pushed(report([], { Results: [TRIVY_SECRETS] }));
    expect((await read(token)).body.code).toBe('ERR_POSTURE_DENIED');
    await pushed(report([], { CreatedAt: new Date().toISOString() }), { covers: ['secrets'] });
    expect((await read(token)).status).toBe(200);
  });
});

describe('a report of a writer with a scope', () => {
  it('adds findings for containers whose image is from its repositories, removes none of others, and is shown with them (EV11)', async () => {
    const { digest, report, at } = image();
    const name = await gate({ vulnerabilities: VULNERABILITIES });
    const token = await podWith(digest, name);
    const writer = (of: string, ...scope: readonly string[]) =>
      api.operator(`${of}-${tests}`, [{ role: 'evidence-writer', scope }]);
    const other = await writer('other', 'registry.test/other');
    const own = await writer('own', 'registry.test/web');
    const claimed = report([], { ArtifactName: `registry.test/web@${digest}`, CreatedAt: at(0) });
    await pushed(report([{}], { CreatedAt: at(120_000) }));
    await untilRead(token, 'ERR_POSTURE_DENIED');
    const { body } = await push(claimed, CLEAN, other);
    expect(body.items).toMatchObject([{ scope: ['registry.test/other'] }]);
    expect((await read(token)).body.code).toBe('ERR_POSTURE_DENIED');
    expect((await push(claimed, CLEAN, own)).status).toBe(200);
    expect((await read(token)).body.code).toBe('ERR_POSTURE_DENIED');
    await pushed(claimed, CLEAN);
    expect((await read(token)).status).toBe(200);
    await push(report([{}], { CreatedAt: at(0) }), {}, own);
    expect((await read(token)).body.code).toBe('ERR_POSTURE_DENIED');
    await push(report([], { CreatedAt: at(-1_000) }), CLEAN, own);
    expect((await read(token)).status).toBe(200);
    const list = await api.call('GET', `/api/v1/evidence?image=${digest}`, { token: api.admin });
    expect(itemsOf(list).map(({ scope }) => scope)).toEqual(
      expect.arrayContaining([undefined, ['registry.test/other'], ['registry.test/web']]),
    );
  });

  it.each(['GET /evidence', 'GET /attestations'])(
    'gives its writer no view of what others pushed: %s',
    async (asked) => {
      const grants = [{ role: 'evidence-writer', scope: ['registry.test/web'] }];
      const token = await api.operator(`blind-${asked.slice(5)}`, grants);
      const [method = '', path = ''] = asked.split(' ');
      expect((await api.call(method, `/api/v1${path}`, { token })).status).toBe(403);
    },
  );

  it.each(['registry.test/web:1', 'registry.test/*', 'Registry.test/web', 'a/', '../x', 'a b'])(
    'has no scope that no repository has: %s',
    async (prefix) => {
      const grants = [{ role: 'evidence-writer', scope: [prefix] }];
      const headers = { 'If-None-Match': '*' };
      const answer = await api.call('PUT', '/api/v1/operators/odd', {
        token: api.admin,
        body: { grants },
        headers,
      });
      expect([answer.status, answer.body.problems]).toMatchObject([
        400,
        [
          {
            pointer: '/grants/0/scope/0',
            message: expect.stringContaining('must be a repository'),
          },
        ],
      ]);
    },
  );

  it('accepts a registry with a port as the scope', async () => {
    const { report } = image();
    const scope = ['registry.test:5000', 'registry.test:5000/prod'];
    const token = await api.operator('ported', [{ role: 'evidence-writer', scope }]);
    expect((await push(report(), {}, token)).body.items).toMatchObject([{ scope }]);
  });
});

describe('POST /api/v1/evidence', () => {
  it('stores what checks read, and says what it stored', async () => {
    const { digest, report } = image();
    const { body } = await push(report());
    expect(body.items).toMatchObject([
      { kind: 'vulnerabilities', scanner: 'trivy', digests: [digest], writer: 'scanner', count: 1 },
    ]);
    const { id } = body.items[0] as { readonly id: string };
    expect(await lastEntry('evidence.write')).toMatchObject({
      outcome: 'ok',
      document: { kind: 'evidence', name: id },
      query: `vulnerabilities trivy ${digest}`,
      count: 1,
    });
    const shown = await api.call('GET', `/api/v1/evidence/${id}`, { token: api.admin });
    expect(shown.body.findings).toMatchObject([{ id: 'CVE-2026-1000', severity: 'CRITICAL' }]);
    expect(shown.text).not.toContain('a text for people');
    const list = await api.call('GET', `/api/v1/evidence?image=${digest}`, { token: api.admin });
    expect(list.body.items).toMatchObject([{ id }]);
  });

  it('never lets an older report replace a newer one, and takes the same one twice (EV03)', async () => {
    const { report, at } = image();
    const scanned = at();
    const id = await pushed(report([{}], { CreatedAt: scanned }));
    expect(await pushed(report([{}], { CreatedAt: scanned }))).toBe(id);
    expect(await push(report([], { CreatedAt: at(2 * HOUR_MS) }), CLEAN)).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('a newer report of trivy') },
    });
  });

  it('refuses a report of the future (EV02)', async () => {
    const { report, at } = image();
    const answer = await push(report([], { CreatedAt: at(-10 * 60_000) }), CLEAN);
    expect(answer.body).toMatchObject({
      code: 'ERR_BODY_INVALID',
      problems: [{ message: expect.stringContaining('is from the future') }],
    });
  });

  it.each<[string, string, string]>([
    ['broken JSON', '{\n  "SchemaVersion": 2,,\n}', 'is not JSON (line 2, column 22)'],
    ['deep nesting', '['.repeat(40), 'may nest 32 deep'],
    ['a member twice', '{"a":1,"a":2}', 'names a member of an object twice'],
    [
      'a wrong type',
      '{"SchemaVersion":2,"ArtifactName":"x",\n "Results":7}',
      '/Results must be a list (line 2, column 12)',
    ],
    ['no known format', '{"runs":[]}', 'is in no known format'],
    ['no digest', '{"SchemaVersion":2,"ArtifactName":"x"}', 'names no digest of an image'],
  ])('refuses a report with %s, with its position', async (_, report, message) => {
    const { status, body } = await push(report, CLEAN);
    expect([status, body.code]).toEqual([400, 'ERR_BODY_INVALID']);
    expect(body.problems).toMatchObject([
      { pointer: '/report', message: expect.stringContaining(message) },
    ]);
  });

  it('refuses a report of more than 1 MiB', async () => {
    const { body } = await push(`{"x":"${'y'.repeat(1_048_576)}"}`);
    expect(body.problems).toMatchObject([{ message: 'has 1048584 bytes; the limit is 1048576' }]);
  });

  it('needs the role evidence-writer, which reads no secrets', async () => {
    const { report } = image();
    const auditor = await api.operator(`auditor-${tests}`, [{ role: 'auditor' }]);
    expect((await push(report(), {}, auditor)).status).toBe(403);
    expect((await api.call('GET', '/api/v1/secrets/app/db', { token: scanner })).status).toBe(403);
    expect((await api.call('GET', '/api/v1/evidence', { token: auditor })).status).toBe(200);
  });
});
