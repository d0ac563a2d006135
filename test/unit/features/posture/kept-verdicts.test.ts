import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { podResponseWorker } from '../../../../src/features/alerts/pod-responses.ts';
import { attestationId } from '../../../../src/features/attestations/attestation-memory.ts';
import { EnforcedProfiles } from '../../../../src/features/posture/enforced-profiles.ts';
import { evidenceRow } from '../../../../src/features/posture/evidence-rows.ts';
import { judgePosture } from '../../../../src/features/posture/judge-posture.ts';
import { readSecret } from '../../../../src/broker/secrets/read-secrets.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import type { Workload } from '../../../../src/domain/identity/workload.ts';
import { ScriptedWatch, TestBroker } from '../../../kit/broker/test-broker.ts';
import { ImageSigner } from '../../../kit/images/image-signer.ts';
import { until } from '../../../kit/backends/until.ts';
import { loopIsIdle, movedUntil } from '../../../kit/time/moved.ts';

const signer = new ImageSigner();
const digestOf = (n: number): string => `sha256:${String(n).padStart(64, '0')}`;
const [OWN, SECOND] = [digestOf(900_001), digestOf(900_002)];

let broker: TestBroker;
let admin: LiveOperator;
let watch: ScriptedWatch;
/** Evaluations of each pod: one reads its manifest once. */
let evaluations: Record<string, number> = {};

beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
  watch = new ScriptedWatch();
  broker.watches.set('c1', watch);
  evaluations = {};
});
afterEach(() => broker.close());

function runs(uid: string, digest: string): Workload {
  const image = `registry.test/prod/web@${digest}`;
  const manifest = {
    metadata: { name: uid, namespace: 'pay', uid },
    spec: { containers: [{ name: 'web', image }] },
  };
  const read = (): unknown => {
    evaluations[uid] = (evaluations[uid] ?? 0) + 1;
    return manifest;
  };
  watch.pods.set(uid, { state: 'running', labels: new Map(), manifest: { read } });
  const account = { namespace: 'pay', serviceAccount: 'api', serviceAccountUid: 'sa' };
  return { cluster: 'c1', ...account, pod: { name: uid, uid } };
}

const gate = (spec: object): Promise<void> =>
  broker.put(admin, 'posture-profile', 'gate', { mode: 'enforce', ...spec });
const SIGNED = {
  image: {
    signatures: [{ images: ['registry.test/**'], authorities: [{ name: 'ci', key: signer.pem }] }],
  },
};
const SCANNED = { exposedSecrets: { deny: ['CRITICAL'] } };

async function commit(writes: Parameters<TestBroker['store']['commit']>[0]): Promise<void> {
  const outcome = await broker.store.real.commit(writes);
  if (outcome.status === 'committed') await broker.parts.state.waitForChange(outcome.seq);
}

/** Stores signatures of images as an earlier push did. */
async function sign(digests: readonly string[], body: (digest: string) => object): Promise<void> {
  for (let from = 0; from < digests.length; from += 500) {
    const rows = digests.slice(from, from + 500).map((digest) => {
      const bytes = Buffer.from(JSON.stringify(body(digest)));
      const id = attestationId(digest, bytes);
      const made = { digest, id, body: bytes, createdAt: 1, createdBy: 'ci' };
      const facts = { ...made, scope: [], isRecognized: true };
      return broker.parts.attestations.rowOf(facts);
    });
    await commit({
      writes: rows.map((put) => ({ table: 'attestations', put })),
      invalidates: rows.map(({ digest }) => `attestation:${digest}`),
    });
  }
}

async function scan(digest: string, severities: readonly 'CRITICAL'[] = []): Promise<void> {
  const facts = {
    kind: 'secrets',
    scanner: 'trivy',
    scannerVersion: '',
    digests: [digest],
    config: undefined,
    reportedAt: broker.clock.now(),
    receivedAt: broker.clock.now(),
    writer: 'ci',
    scope: [],
  } as const;
  const findings = severities.map((severity) => ({ rule: 'key', severity, target: '/key' }));
  const put = evidenceRow(facts, { findings });
  const invalidates = [`evidence:${put.id}`];
  await commit({ writes: [{ table: 'image_evidence', put }], invalidates });
}

function isFit(workload: Workload): boolean {
  return judgePosture(broker.parts, workload, 'app/db').refusal === undefined;
}

describe('the verdict about a pod', () => {
  it('is kept while 10,000 signatures of other images are stored, and made again for its own (D16)', async () => {
    await gate(SIGNED);
    const pod = runs('p1', OWN);
    expect(isFit(pod)).toBe(false);
    const junk = signer.legacy(OWN);
    await sign(
      Array.from({ length: 10_000 }, (_, n) => digestOf(n)),
      () => junk,
    );
    expect(isFit(pod)).toBe(false);
    expect(evaluations).toEqual({ p1: 1 });
    await sign([OWN], (digest) => signer.legacy(digest));
    expect(isFit(pod)).toBe(true);
    expect(evaluations).toEqual({ p1: 2 });
  });

  it('is kept while evidence about other images is stored (D16)', async () => {
    await gate(SCANNED);
    await scan(OWN);
    const pod = runs('p1', OWN);
    expect(isFit(pod)).toBe(true);
    await scan(SECOND, ['CRITICAL']);
    expect(isFit(pod)).toBe(true);
    expect(evaluations).toEqual({ p1: 1 });
    await scan(OWN, ['CRITICAL']);
    expect(isFit(pod)).toBe(false);
    expect(evaluations).toEqual({ p1: 2 });
  });

  it('is kept while profiles for other pods change, and made again when one for it does', async () => {
    await gate(SCANNED);
    await scan(OWN);
    const pod = runs('p1', OWN);
    expect(isFit(pod)).toBe(true);
    for (const deny of ['CRITICAL', 'HIGH'])
      await broker.put(admin, 'posture-profile', 'others', {
        mode: 'enforce',
        match: { namespaces: ['shop'] },
        exposedSecrets: { deny: [deny] },
      });
    expect(isFit(pod)).toBe(true);
    expect(evaluations).toEqual({ p1: 1 });
    await broker.put(admin, 'posture-profile', 'others', {
      mode: 'enforce',
      match: { namespaces: ['pay'] },
      image: { registries: ['other.test/**'] },
    });
    expect(isFit(pod)).toBe(false);
    expect(evaluations).toEqual({ p1: 2 });
    await gate({ ...SCANNED, match: { namespaces: ['shop'] } });
    expect(isFit(pod)).toBe(false);
    expect(evaluations).toEqual({ p1: 3 });
  });
});

describe('pod responses', () => {
  /** Pods with a session and a live lease. */
  async function holders(uids: readonly string[]): Promise<void> {
    broker.backend.secrets.set('kv/db', { data: { v: '1' }, version: '1' });
    for (const uid of uids) {
      const live = await broker.logIn({ namespace: 'pay', pod: { name: uid, uid } });
      await readSecret(broker.parts, broker.call(), live, { path: 'kv/db' });
    }
  }

  it('examine the pods that new evidence or a profile concerns, and no others (D16)', async () => {
    await gate({ ...SCANNED, match: { secretPaths: ['kv/**'] }, onViolation: 'quarantine' });
    await scan(OWN);
    await scan(SECOND);
    for (let at = 0; at < 20; at += 1) runs(`p${at}`, OWN);
    runs('other', SECOND);
    await holders([...Array.from({ length: 20 }, (_, at) => `p${at}`), 'other']);
    const { parts } = broker;
    const worker = podResponseWorker({ ...parts, enforcement: new EnforcedProfiles(parts) });
    const listed: string[] = [];
    const list = broker.store.real.list.bind(broker.store.real);
    broker.store.real.list = (query, window) => {
      listed.push(JSON.stringify(query));
      return list(query, window);
    };
    evaluations = {};
    worker.start();
    await until('all pods were examined', () =>
      Promise.resolve(Object.keys(evaluations).length === 21),
    );
    await loopIsIdle();
    listed.length = 0;
    evaluations = {};
    await scan(SECOND, ['CRITICAL']);
    const { clock } = broker;
    await movedUntil('the pod with the image was examined', { clock, stepMs: 6_000 }, () =>
      Promise.resolve(evaluations['other'] !== undefined),
    );
    expect(Object.keys(evaluations)).toEqual(['other']);
    expect(listed.filter((query) => query.includes('p1'))).toEqual([]);
    evaluations = {};
    const others = (namespace: string, registries: readonly string[]): Promise<void> =>
      broker.put(admin, 'posture-profile', 'others', {
        mode: 'enforce',
        match: { namespaces: [namespace] },
        image: { registries },
      });
    await others('shop', ['registry.test/**']);
    for (let round = 0; round < 5; round += 1) {
      clock.advance(6_000);
      await loopIsIdle();
    }
    expect(evaluations).toEqual({});
    await others('pay', ['elsewhere.test/**']);
    await movedUntil('the pods with the profile were examined', { clock, stepMs: 6_000 }, () =>
      Promise.resolve(Object.keys(evaluations).length === 21),
    );
    await worker.stop();
    broker.store.real.list = list;
  });
});
