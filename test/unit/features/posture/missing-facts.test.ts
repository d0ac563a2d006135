import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { judgePosture } from '../../../../src/features/posture/judge-posture.ts';
import { pushEvidence } from '../../../../src/features/posture/evidence.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import type { Workload } from '../../../../src/domain/identity/workload.ts';
import { ScriptedWatch, TestBroker } from '../../../kit/broker/test-broker.ts';
import { CONFIG, trivyReport } from '../../../kit/images/scanner-reports.ts';
import { pushedBody } from '../../../kit/api/pushed-body.ts';

const HOUR = 3_600_000;
const INDEX = `sha256:${'4'.repeat(64)}`;
const NEXT = `sha256:${'5'.repeat(64)}`;
const WEB: Workload = {
  cluster: 'c1',
  namespace: 'prod',
  serviceAccount: 'web',
  serviceAccountUid: 'sa',
  pod: { name: 'web-0', uid: 'u1' },
};

let broker: TestBroker;
let admin: LiveOperator;
let watch: ScriptedWatch;

beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
  watch = new ScriptedWatch();
  broker.watches.set('c1', watch);
  runs(INDEX);
});
afterEach(() => broker.close());

/** The pod runs this image under its tag. */
function runs(digest: string, uid = 'u1'): void {
  const image = 'registry.test/prod/web:1';
  const manifest = {
    metadata: { name: 'web-0', namespace: 'prod', uid },
    spec: { containers: [{ name: 'web', image }] },
    status: { containerStatuses: [{ name: 'web', imageID: `registry.test/prod/web@${digest}` }] },
  };
  watch.pods.clear();
  const facts = {
    state: 'running',
    labels: new Map(),
    manifest: { read: () => manifest },
  } as const;
  watch.pods.set(uid, facts);
}

const gate = (mode = 'enforce'): Promise<void> =>
  broker.put(admin, 'posture-profile', 'gate', {
    mode,
    vulnerabilities: { deny: ['CRITICAL'], reportMaxAge: '24h' },
  });

async function scan(digest: string): Promise<void> {
  const writer = await broker.operator('scanner', [{ role: 'evidence-writer' }]);
  const report = trivyReport(
    {
      CreatedAt: new Date(broker.clock.now()).toISOString(),
      Metadata: { ImageID: CONFIG, RepoDigests: [`registry.test/prod/web@${digest}`] },
    },
    [],
  );
  const covers = ['vulnerabilities'] as const;
  const pushed = pushedBody({ report: JSON.stringify(report), covers });
  await pushEvidence(broker.parts, broker.call(), writer, pushed);
}

/** Gives the answer to a read of the pod. */
function answer(): string {
  const { refusal, noted } = judgePosture(broker.parts, WEB, 'app/db');
  return refusal === undefined
    ? `allowed ${noted ?? ''}`.trim()
    : `${refusal.code} ${refusal.facts.posture}`;
}

describe('a profile that enforces', () => {
  beforeEach(async () => {
    await gate();
    await scan(INDEX);
    expect(answer()).toBe('allowed');
  });

  it('allows with the last known facts of the pod, refuses when they are too old, and allows again after it (EV07)', () => {
    watch.state = 'stale';
    watch.good = 'facts';
    expect(answer()).toBe('allowed');
    watch.good = 'labels';
    expect(answer()).toBe('ERR_POSTURE_PENDING gate: pod_unknown');
    watch.state = 'live';
    expect(answer()).toBe('allowed');
  });

  it('refuses when no scanner reports any more (EV04)', async () => {
    broker.clock.advance(24 * HOUR - 1);
    expect(answer()).toBe('allowed');
    broker.clock.advance(1);
    expect(answer()).toBe('ERR_POSTURE_PENDING gate: report_stale');
    await scan(INDEX);
    expect(answer()).toBe('allowed');
  });

  it('refuses an image that was tagged again, until a scanner reports on it (EV05)', async () => {
    runs(NEXT);
    expect(answer()).toBe('ERR_POSTURE_PENDING gate: report_missing');
    await scan(NEXT);
    expect(answer()).toBe('allowed');
  });

  it('does not take the next pod of the name for the pod of the session (EV06)', () => {
    runs(INDEX, 'u2');
    expect(answer()).toBe('ERR_POSTURE_PENDING gate: pod_unknown');
  });
});

it('a profile in the mode audit only records what is missing', async () => {
  await gate('audit');
  expect(answer()).toBe('allowed gate: report_missing');
  watch.state = 'stale';
  expect(answer()).toBe('allowed gate: pod_unknown');
});

it.each<[string, 'nothing' | 'labels' | 'facts', string]>([
  ['facts that are good', 'facts', 'allowed'],
  ['labels that are good', 'labels', 'allowed'],
  ['nothing that is good', 'nothing', 'ERR_POSTURE_PENDING backend: pod_unknown'],
])(
  'a profile for other labels refuses no pod of a silent cluster: %s',
  async (_, good, expected) => {
    await broker.put(admin, 'posture-profile', 'backend', {
      mode: 'enforce',
      match: { podLabels: { tier: 'backend' } },
      vulnerabilities: { deny: ['CRITICAL'] },
    });
    watch.state = 'stale';
    watch.good = good;
    expect(answer()).toBe(expected);
  },
);

it.each(['pod_unknown', 'report_missing', 'report_stale'] as const)(
  'an exception for %s opens the secrets for an hour, with a name and a reason, and closes them again',
  async (check) => {
    const now = broker.clock.now();
    const open = (minutes: number) =>
      broker.put(admin, 'posture-profile', 'gate', {
        mode: 'enforce',
        vulnerabilities: { deny: ['CRITICAL'], reportMaxAge: '1h' },
        exceptions: [
          {
            check,
            pods: ['prod/*'],
            until: new Date(now + minutes * 60_000).toISOString().replace(/\.\d+Z$/, 'Z'),
            owner: 'alice',
            reason: 'INC-7',
          },
        ],
      });
    await open(0);
    if (check === 'report_stale') await scan(INDEX);
    if (check === 'report_stale') broker.clock.advance(HOUR);
    if (check === 'pod_unknown') watch.state = 'stale';
    expect(answer()).toBe(`ERR_POSTURE_PENDING gate: ${check}`);
    await open(check === 'report_stale' ? 120 : 60);
    expect(answer()).toBe('allowed');
    broker.clock.advance(HOUR);
    expect(answer()).toBe(`ERR_POSTURE_PENDING gate: ${check}`);
  },
);
