import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { attestationId } from '../../../src/features/attestations/attestation-memory.ts';
import { evidenceRow } from '../../../src/features/posture/evidence-rows.ts';
import { authenticateKey, type SecurityKey } from '../../../src/broker/state/security-key-rows.ts';
import type { RunningBroker } from '../../../src/program/broker/broker.ts';
import type { Write } from '../../../src/ports/store.ts';
import { openEmbedded } from '../../../src/providers/embedded/open.ts';
import { ImageSigner } from '../../kit/images/image-signer.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const KEY: SecurityKey = {
  id: 'key_1',
  person: 'oidc:corp/bob',
  issuerUrl: 'https://login.example.com',
  label: 'laptop',
  credentialId: 'Y3JlZA',
  publicKey: 'a2V5',
  counter: 7,
  createdAt: 1_000,
  usedAt: undefined,
};

let own: AttackedInstallation;
beforeEach(async () => {
  own = await AttackedInstallation.make();
  await own.init();
});
afterEach(() => own.remove());

/** Stores rows as the broker does, and restarts it. */
async function store(writes: (parts: RunningBroker['parts']) => readonly Write[]): Promise<void> {
  const broker = await own.open();
  await broker.parts.store.commit({ writes: writes(broker.parts) });
  await broker.close('test');
  expect(await own.unreadyAtStart()).toEqual([]);
}

/** Changes the database without the broker. @returns why the broker is not ready at its next start */
function unreadyAfter(attack: string): Promise<readonly string[]> {
  own.sql((database) => void database.exec(attack));
  return own.unreadyAtStart();
}

it('holds the broker when the signature of an image was removed (IS08)', async () => {
  const body = Buffer.from(JSON.stringify(new ImageSigner().bundle(DIGEST)));
  const made = { digest: DIGEST, id: attestationId(DIGEST, body), body, createdAt: 1 };
  const signature = { ...made, createdBy: 'ci', scope: [], isRecognized: true };
  await store(({ attestations }) => [
    { table: 'attestations', put: attestations.rowOf(signature) },
  ]);
  expect(await unreadyAfter('DELETE FROM attestations')).toEqual(['ERR_HELD']);
});

it('holds the broker when evidence about an image was removed', async () => {
  const facts = {
    scanner: 'trivy',
    scannerVersion: '',
    writer: 'ci',
    scope: [],
    kind: 'secrets',
    config: undefined,
    digests: [DIGEST],
    reportedAt: Date.now(),
    receivedAt: Date.now(),
  } as const;
  await store(() => [{ table: 'image_evidence', put: evidenceRow(facts, { findings: [] }) }]);
  expect(await unreadyAfter('DELETE FROM image_evidence')).toEqual(['ERR_HELD']);
});

it('holds the broker when the rule that grants of admin need an approval was removed', async () => {
  await store(({ approvals }) => [
    { table: 'approvals', put: approvals.rowOfRule('alice', ['admin']) },
  ]);
  expect(await unreadyAfter('DELETE FROM approvals')).toEqual(['ERR_HELD']);
});

it.each([
  ['removed', 'DELETE FROM security_keys'],
  ['given to another person', `UPDATE security_keys SET person = 'oidc:corp/mallory'`],
  ['set back to an earlier counter', 'UPDATE security_keys SET counter = 0'],
])('holds the broker when a security key was %s', async (_what, attack) => {
  await store((parts) => [{ table: 'security_keys', put: authenticateKey(parts, KEY) }]);
  expect(await unreadyAfter(attack)).toEqual(['ERR_HELD']);
});

describe('custom metadata of a secret', () => {
  const owner = { owner: 'pay' };

  beforeEach(async () => {
    const broker = await own.open();
    const { store, clock, keyring, installation } = broker.parts;
    const { provider } = openEmbedded({ store, clock, keyring, installation });
    const { metadata } = provider.mount({ prefix: 'app' }).writes!;
    for (const entries of [{ owner: 'ops' }, owner]) {
      const change = { entries, replaces: true, ifVersion: undefined };
      const { fragment } = await metadata.change('app/labelled', change, 'alice');
      await store.commit(fragment);
    }
    await broker.close('test');
    expect(await own.unreadyAtStart()).toEqual([]);
  });

  it('is kept over a restart', async () => {
    const broker = await own.open();
    const { store, clock, keyring, installation } = broker.parts;
    const { provider } = openEmbedded({ store, clock, keyring, installation });
    const { metadata } = provider.mount({ prefix: 'app' }).writes!;
    expect(await metadata.read('app/labelled')).toMatchObject({
      version: 2,
      entries: owner,
      updatedBy: 'alice',
    });
    await broker.close('test');
  });

  it.each([
    ['removed', 'DELETE FROM secret_metadata'],
    ['changed', `UPDATE secret_metadata SET body = '{"owner":"mallory"}'`],
    ['moved to another secret', `UPDATE secret_metadata SET path = 'app/db'`],
    ['set back to an earlier version', `UPDATE secret_metadata SET version = 1`],
  ])('holds the broker when it was %s in the database', async (_what, attack) => {
    expect(await unreadyAfter(attack)).toEqual(['ERR_HELD']);
  });
});
