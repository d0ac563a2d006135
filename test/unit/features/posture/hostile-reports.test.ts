import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { pushEvidence } from '../../../../src/features/posture/evidence.ts';
import { evidenceRow, type EvidenceFacts } from '../../../../src/features/posture/evidence-rows.ts';
import { judgePosture } from '../../../../src/features/posture/judge-posture.ts';
import { readSecret } from '../../../../src/broker/secrets/read-secrets.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import type { Workload } from '../../../../src/domain/identity/workload.ts';
import { codeOf, ScriptedWatch, TestBroker } from '../../../kit/broker/test-broker.ts';
import { pushedBody } from '../../../kit/api/pushed-body.ts';

const REPORTS = 5_000;
const IMAGE = `sha256:${'a'.repeat(64)}`;
const POD: Workload = {
  cluster: 'c1',
  namespace: 'pay',
  serviceAccount: 'api',
  serviceAccountUid: 'sa',
  pod: { name: 'p1', uid: 'p1' },
};

let broker: TestBroker;
let admin: LiveOperator;
beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
});
afterEach(() => broker.close());

function factsOf(scanner: string, writer: string): EvidenceFacts {
  const now = broker.clock.now();
  return {
    kind: 'secrets',
    scanner,
    scannerVersion: '',
    digests: [IMAGE],
    config: undefined,
    reportedAt: now,
    receivedAt: now,
    writer,
    scope: [],
  };
}

/** A report of 50,000 findings, which takes hundreds of milliseconds to read. */
function costly(tool: string): string {
  const affects = Array.from({ length: 50_000 }, (_, at) => ({ ref: `p${at}` }));
  return JSON.stringify({
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    metadata: { tools: { components: [{ name: tool }] } },
    vulnerabilities: [{ id: 'CVE-2026-1', ratings: [{ severity: 'low' }], affects }],
  });
}

describe('5,000 reports of one writer about one image', () => {
  it('are not unpacked at a start, and an evaluation reads only a bounded number of them (D16)', async () => {
    for (let from = 0; from < REPORTS; from += 500) {
      const writes = Array.from({ length: 500 }, (_, at) => {
        const row = evidenceRow(factsOf(`s${from + at}`, 'flood'), { findings: [] });
        // A body that nothing can unpack: whatever reads it fails.
        return { table: 'image_evidence' as const, put: { ...row, body: new Uint8Array([1, 2]) } };
      });
      await broker.store.real.commit({ writes });
    }
    const found = { rule: 'key', severity: 'CRITICAL', target: '/key' } as const;
    const own = evidenceRow(factsOf('trivy', 'security'), { findings: [found] });
    await broker.store.real.commit({ writes: [{ table: 'image_evidence', put: own }] });
    broker = await broker.reopen();
    const { evidence } = broker.parts;
    expect(evidence.shareOf()).toMatchObject({ rows: REPORTS + 1 });
    expect(evidence.of(IMAGE)).toHaveLength(17);
    expect(evidence.of(IMAGE).map(({ writer }) => writer)).toContain('security');
  });

  it('are refused from the ninth scanner on, and the report of another writer counts (D16)', async () => {
    const writer = await broker.operator('flood', [{ role: 'evidence-writer' }]);
    const security = await broker.operator('security', [{ role: 'evidence-writer' }]);
    const push = (scanner: string, by: LiveOperator, severity: string) => {
      const text = JSON.stringify({
        bomFormat: 'CycloneDX',
        specVersion: '1.5',
        metadata: { tools: { components: [{ name: scanner }] } },
        vulnerabilities: [{ id: 'CVE-1', ratings: [{ severity }], affects: [{ ref: 'p' }] }],
      });
      return codeOf(
        pushEvidence(broker.parts, broker.call(), by, pushedBody({ report: text, image: [IMAGE] })),
      );
    };
    const codes = new Map<string, number>();
    for (let from = 0; from < REPORTS; from += 50) {
      const some = Array.from({ length: 50 }, (_, at) => push(`s${from + at}`, writer, 'low'));
      for (const code of await Promise.all(some)) codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    expect(Object.fromEntries(codes)).toEqual({ 'no error': 8, ERR_CONFLICT: REPORTS - 8 });
    expect(await push('trivy', security, 'critical')).toBe('no error');
    const profile = { mode: 'enforce', vulnerabilities: { deny: ['CRITICAL'] } };
    await broker.put(admin, 'posture-profile', 'gate', profile);
    const watch = new ScriptedWatch();
    broker.watches.set('c1', watch);
    const containers = [{ name: 'web', image: `registry.test/web@${IMAGE}` }];
    const manifest = {
      metadata: { name: 'p1', namespace: 'pay', uid: 'p1' },
      spec: { containers },
    };
    const facts = { labels: new Map(), manifest: { read: () => manifest } };
    watch.pods.set('p1', { state: 'running', ...facts });
    expect(judgePosture(broker.parts, POD, 'app/db').refusal?.facts.posture).toContain(
      'vulnerability_denied',
    );
  });
});

describe('reports that are expensive to read', () => {
  it('leave the event loop to the reads of others meanwhile (D16)', async () => {
    broker.backend.secrets.set('kv/db', { data: { v: '1' }, version: '1' });
    const live = await broker.logIn();
    const writer = await broker.operator('flood', [{ role: 'evidence-writer' }]);
    let finished = 0;
    const pushes = Array.from({ length: 8 }, (_, at) =>
      pushEvidence(
        broker.parts,
        broker.call(),
        writer,
        pushedBody({ report: costly(`tool-${at}`), image: [IMAGE] }),
      ).then(() => (finished += 1)),
    );
    for (let read = 0; read < 50; read += 1) {
      await readSecret(broker.parts, broker.call(), live, { path: 'kv/db' });
    }
    // Fifty reads are far less work than one of the reports: on the event loop, all reports would be read before the first of them.
    expect(finished).toBeLessThan(8);
    await Promise.all(pushes);
  });
});
