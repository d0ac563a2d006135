import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  attestationId,
  type AttestationFacts,
} from '../../../../src/features/attestations/attestation-memory.ts';
import { pushAttestation } from '../../../../src/features/attestations/attestations.ts';
import { judgePosture } from '../../../../src/features/posture/judge-posture.ts';
import { readSecret } from '../../../../src/broker/secrets/read-secrets.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import type { Workload } from '../../../../src/domain/identity/workload.ts';
import { eventually } from '../../../kit/time/eventually.ts';
import { SigstoreInstance } from '../../../kit/images/sigstore-instance.ts';
import { ScriptedWatch, TestBroker } from '../../../kit/broker/test-broker.ts';
import { ImageSigner } from '../../../kit/images/image-signer.ts';
import { pushedBody } from '../../../kit/api/pushed-body.ts';

const IMAGE = `sha256:${'a'.repeat(64)}`;
const SCAN = 'https://example.test/scan';
const POD: Workload = {
  cluster: 'c1',
  namespace: 'pay',
  serviceAccount: 'api',
  serviceAccountUid: 'sa',
  pod: { name: 'p1', uid: 'p1' },
};
const team = new ImageSigner();
const stranger = new ImageSigner();

let broker: TestBroker;
let admin: LiveOperator;
beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
});
afterEach(() => broker.close());

const require = (...signers: readonly ImageSigner[]): Promise<void> =>
  broker.put(admin, 'posture-profile', 'signed', {
    mode: 'enforce',
    image: {
      signatures: [
        {
          images: ['**'],
          authorities: signers.map(({ pem: key }, at) => ({ name: `team-${at}`, key })),
        },
      ],
    },
  });

/** Judges a pod that runs the image: `fit`, or the codes of its findings. */
function judged(): string {
  const watch = new ScriptedWatch();
  broker.watches.set('c1', watch);
  const containers = [{ name: 'web', image: `registry.test/web@${IMAGE}` }];
  const metadata = { name: 'p1', namespace: 'pay', uid: 'p1' };
  const manifest = { metadata, spec: { containers } };
  watch.pods.set('p1', {
    state: 'running',
    labels: new Map(),
    manifest: { read: () => manifest },
  });
  const { refusal } = judgePosture(broker.parts, POD, 'app/db');
  return refusal === undefined ? 'fit' : `${refusal.code} ${refusal.facts.posture}`;
}

const becomes = (verdict: string): Promise<true> =>
  eventually(verdict, () => Promise.resolve(judged() === verdict ? true : undefined));

async function store(made: readonly Partial<AttestationFacts>[]): Promise<void> {
  const rows = made.map((change, at) => {
    const body = Buffer.from(`{"not":"an attestation ${at}"}`);
    const own = { digest: IMAGE, id: attestationId(IMAGE, body), body, createdAt: 1 };
    const facts = { ...own, createdBy: 'ci', scope: [], isRecognized: true, ...change };
    return broker.parts.attestations.rowOf(facts);
  });
  const outcome = await broker.store.real.commit({
    writes: rows.map((put) => ({ table: 'attestations', put })),
    invalidates: [`attestation:${IMAGE}`],
  });
  if (outcome.status === 'committed') await broker.parts.state.waitForChange(outcome.seq);
}

describe('attestations that are expensive to read', () => {
  it('leave the event loop to the reads of others meanwhile (D16)', async () => {
    broker.backend.secrets.set('kv/db', { data: { v: '1' }, version: '1' });
    const live = await broker.logIn();
    const list = Array.from({ length: 90_000 }, (_, at) => at % 10);
    let finished = 0;
    const pushes = Array.from({ length: 8 }, (_, at) =>
      pushAttestation(
        broker.parts,
        broker.call(),
        admin,
        pushedBody({ attestation: stranger.bundle(IMAGE, SCAN, { at, list }) }),
      )
        .catch(() => undefined)
        .finally(() => (finished += 1)),
    );
    for (let read = 0; read < 20; read += 1)
      await readSecret(broker.parts, broker.call(), live, { path: 'kv/db' });
    // Twenty reads are far less work than eight of the attestations.
    expect(finished).toBeLessThan(8);
    await Promise.all(pushes);
    expect(broker.parts.attestations.of(IMAGE).length).toBeGreaterThan(2);
  });

  it('are neither parsed nor verified by a start, a change or a read after the push (D16)', async () => {
    await require(team);
    const content = {
      type: 'signature',
      repository: undefined,
      builder: undefined,
      scannedAt: undefined,
      signed: 'x',
    };
    // Nothing can parse this body: the signer is known from the push.
    await store([{ content, signers: new Map([[team.keyId, { keyId: team.keyId }]]) }]);
    expect(judged()).toBe('fit');
    broker = await broker.reopen();
    expect(judged()).toBe('fit');
  });

  it('are verified in parts by evaluations, and by the thread, if a later profile names another authority', async () => {
    const bodies = [
      ...Array.from({ length: 8 }, (_, at) =>
        stranger.bundle(IMAGE, undefined, { at, text: 'x'.repeat(46_000) }),
      ),
      stranger.bundle(IMAGE, undefined, { text: 'x'.repeat(500_000) }),
    ].map((each) => Buffer.from(JSON.stringify(each)));
    await store(bodies.map((body) => ({ body, id: attestationId(IMAGE, body) })));
    await require(team);
    expect(judged()).toBe('ERR_POSTURE_PENDING signed: signer_not_trusted');
    await becomes('ERR_POSTURE_DENIED signed: signer_not_trusted');
    await require(team, stranger);
    await becomes('fit');
  });

  it('are verified by the thread if a certificate takes the place of the key, and stored with their signer', async () => {
    const identity = { issuer: 'https://issuer.test', subject: 'https://git.test/acme/web' };
    const instance = await SigstoreInstance.start();
    const body = Buffer.from(JSON.stringify(await instance.sign(IMAGE, identity)));
    await store([{ body, id: attestationId(IMAGE, body) }]);
    const keyless = { trustRoot: 'own', identities: [identity] };
    await broker.put(admin, 'posture-profile', 'signed', {
      mode: 'enforce',
      image: {
        trustRoots: { own: instance.trustedRoot },
        signatures: [{ images: ['**'], authorities: [{ name: 'release', keyless }] }],
      },
    });
    expect(judged()).toBe('ERR_POSTURE_PENDING signed: signer_not_trusted');
    await becomes('fit');
    broker = await broker.reopen();
    expect(judged()).toBe('fit');
  });
});

describe('a signature', () => {
  it('is known after a restart by the authorities that signed it at the push', async () => {
    await require(team);
    await pushAttestation(
      broker.parts,
      broker.call(),
      admin,
      pushedBody({ attestation: team.bundle(IMAGE) }),
    );
    broker = await broker.reopen();
    const { attestations } = broker.parts;
    const [stored] = attestations.of(IMAGE);
    const key = { id: team.keyId, pem: team.pem };
    expect(attestations.verified.signerOf(stored!, { key })).toEqual({ keyId: team.keyId });
    expect(judged()).toBe('fit');
  });

  it('is read again from its body if its row is of an earlier release', async () => {
    await require(team);
    const body = Buffer.from(JSON.stringify(team.bundle(IMAGE)));
    await store([{ body, id: attestationId(IMAGE, body) }]);
    expect(judged()).toBe('fit');
    broker = await broker.reopen();
    expect(judged()).toBe('fit');
  });
});
