import { afterEach, expect, it } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import type { Serving } from '../../../src/program/serving/serve.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import { startTwoBrokers } from '../../kit/broker/two-brokers.ts';
import { countRows } from '../../kit/store/table-rows.ts';

const REPORTS = 600;
const WRITERS = 4;
/** Pushes of each writer at the same moment. */
const IN_FLIGHT = 8;
const digestOf = (n: number): string => `sha256:${n.toString(16).padStart(64, '0')}`;

/** A rate at which a few reports put their writer in debt, on a slow machine too. */
const LIMITS = { identityRate: { perSecond: 50, burst: 200 } };
/** Findings of a report. */
const AFFECTS = Array.from({ length: 2_000 }, (_, at) => ({ ref: `p${at}` }));
function report(tool: string, affects: readonly object[] = AFFECTS): string {
  return JSON.stringify({
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    metadata: { tools: { components: [{ name: tool }] } },
    vulnerabilities: [{ id: 'CVE-2026-1', ratings: [{ severity: 'low' }], affects }],
  });
}

describeWith(['postgres'], 'hostile reports at two brokers on one PostgreSQL', (backends) => {
  const cleanUps: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  });

  it('are charged to their writers, and every other caller is answered by both, which agree about the rows (D16)', async () => {
    const {
      brokers,
      token: admin,
      remove,
    } = await startTwoBrokers(backends.postgres, () => ({ limits: LIMITS }));
    cleanUps.push(remove);
    const [first] = brokers;
    const call = async (
      { url }: Serving,
      [method = 'GET', path = '']: readonly string[],
      token: string,
      body?: string,
    ): Promise<{ readonly status: number; readonly json: () => Promise<unknown> }> =>
      fetch(`${url}/api/v1/${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(method === 'PUT' && { 'if-none-match': '*' }),
        },
        ...(body !== undefined && { body }),
      });
    const put = async (path: string, body: object): Promise<void> => {
      const { status } = await call(first, ['PUT', path], admin, JSON.stringify(body));
      expect(status).toBe(201);
    };
    const operator = async (name: string, grants: readonly object[]): Promise<string> => {
      await put(`operators/${name}`, { grants });
      const order = ['POST', `operators/${name}/tokens`];
      const answer = await call(first, order, admin, JSON.stringify({ ttl: '30m' }));
      expect(answer.status).toBe(201);
      return ((await answer.json()) as { readonly token: string }).token;
    };
    await put('mounts/app', { prefix: 'app', connection: 'embedded' });
    await put('secrets/app/db', { data: { k: 'v' } });
    const reader = await operator('reader', [{ role: 'secret-reader' }]);
    const security = await operator('security', [{ role: 'evidence-writer' }]);
    const hostile: string[] = [];
    for (let at = 0; at < WRITERS; at += 1)
      hostile.push(await operator(`team-${at}`, [{ role: 'evidence-writer' }]));
    for (const { broker } of brokers) await broker.parts.state.waitUntilCurrent();

    const answers = new Map<number, number>();
    const others = new Set<number>();
    let sent = 0;
    const flood = async (at: number): Promise<void> => {
      while (sent < REPORTS) {
        const each = sent++;
        const image = [digestOf(each % 10)];
        const body = JSON.stringify({ report: report(`tool-${each}`), image });
        const broker = brokers[each % 2] ?? first;
        // A broker that refuses a body before it is read may close the connection.
        const status = await call(broker, ['POST', 'evidence'], hostile[at] ?? '', body).then(
          (answer) => answer.status,
          () => 503,
        );
        answers.set(status, (answers.get(status) ?? 0) + 1);
        if (status === 429) await pause(5);
      }
    };
    const floods = Promise.all(
      Array.from({ length: WRITERS * IN_FLIGHT }, (_, at) => flood(at % WRITERS)),
    );
    const flooding = { isOver: false };
    void floods.finally(() => (flooding.isOver = true));
    for (let round = 0; round === 0 || !flooding.isOver; round += 1) {
      for (const broker of brokers) {
        others.add((await fetch(`${broker.url}/readyz`)).status);
        others.add((await call(broker, ['GET', 'secrets/app/db'], reader)).status);
      }
      await pause(50);
    }
    await floods;
    const own = JSON.stringify({ report: report('trivy', [{ ref: 'p' }]), image: [digestOf(0)] });
    others.add((await call(first, ['POST', 'evidence'], security, own)).status);
    expect([...others]).toEqual([200]);
    // Each accepted report is charged, so each writer must soon wait.
    expect(answers.get(200)).toBeGreaterThan(0);
    expect(answers.get(429)).toBeGreaterThan(0);
    expect([...answers.keys()].filter((status) => ![200, 409, 429, 503].includes(status))).toEqual(
      [],
    );

    for (const { broker } of brokers) await broker.parts.state.catchUp();
    const rows = brokers.map(({ broker }) => broker.parts.evidence.all().map(({ id }) => id));
    expect(rows[1]).toEqual(rows[0]);
    expect(rows[0]).toHaveLength(await countRows(first.broker.parts.store, 'image_evidence', {}));
    const scanners = Map.groupBy(first.broker.parts.evidence.all(), ({ digests, writer }) =>
      JSON.stringify([digests, writer]),
    );
    for (const list of scanners.values()) expect(list.length).toBeLessThanOrEqual(8);
  });
});
