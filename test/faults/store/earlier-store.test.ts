import { readdirSync } from 'node:fs';
import { afterEach, describe, expect, it } from '@jest/globals';
import { attestationId } from '../../../src/features/attestations/attestation-memory.ts';
import { ImageSigner } from '../../kit/images/image-signer.ts';
import { evidenceRow } from '../../../src/features/posture/evidence-rows.ts';
import { authenticateKey, type SecurityKey } from '../../../src/broker/state/security-key-rows.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';

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
afterEach(() => own.remove());

/** The number of the last migration. */
const NEWEST = Number(readdirSync('migrations/sqlite').toSorted().at(-1)?.slice(0, 3));

const SEALED = ['claims', 'credentials', 'leases', 'rotation_schedules', 'rotations'];

function digests(): readonly string[] {
  return own.rows('state_digests').map(({ kind, count }) => `${String(kind)} ${String(count)}`);
}

async function firstDigests(): Promise<string> {
  const broker = await own.open();
  await broker.trail.integrator.integrate();
  const { items } = await broker.trail.reader.search({ action: 'state.digest' }, { limit: 10 });
  await broker.close('test');
  return items.map(({ entry }) => entry).join('\n');
}

describe.each([
  [
    'before-state-digest',
    ['credentials 6', 'documents 7', 'rotation_schedules 1', 'rotations 1', 'secrets 0'],
  ],
  [
    'before-lease-mac',
    ['credentials 6', 'documents 7', 'rotation_schedules 1', 'rotations 1', 'secrets 3'],
  ],
])('a store of an earlier release: %s', (name, counts) => {
  it('is migrated, sealed and served, and opens again unchanged', async () => {
    own = await AttackedInstallation.from(name);
    expect(await own.unreadyAtStart()).toEqual([]);
    const migrations = (): readonly unknown[] =>
      own.logged.filter((line) => JSON.stringify(line).includes('was migrated'));
    expect(migrations()).toMatchObject([{ fields: { to: NEWEST } }]);
    for (const table of SEALED) {
      expect(own.rows(table)).not.toEqual([]);
      expect(own.rows(table).filter(({ mac }) => mac === null)).toEqual([]);
    }
    expect(digests()).toEqual(expect.arrayContaining(counts));
    expect(await own.unreadyAtStart()).toEqual([]);
    expect(migrations()).toHaveLength(1);
  });

  it('names its first digests in the log', async () => {
    own = await AttackedInstallation.from(name);
    const entries = await firstDigests();
    expect(entries).toContain('"cause":"first_digest"');
    for (const { kind } of own.rows('state_digests')) {
      expect(entries).toContain(`"kind":"${String(kind)}"`);
    }
  });

  it('is sealed once: rows without a MAC hold it from then on (C14)', async () => {
    own = await AttackedInstallation.from(name);
    expect(await own.unreadyAtStart()).toEqual([]);
    own.sql((database) => {
      database.exec('DELETE FROM state_digests');
      database.exec('UPDATE credentials SET mac = NULL');
      database.exec('UPDATE log_checkpoints SET state = NULL');
    });
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
  });

  it('does not create its newer digests a second time', async () => {
    own = await AttackedInstallation.from(name);
    expect(await own.unreadyAtStart()).toEqual([]);
    own.sql((database) => {
      database.exec(
        `DELETE FROM state_digests WHERE kind IN ('rotation_schedules', 'rotations', 'secrets')`,
      );
      database.exec('UPDATE leases SET mac = NULL');
    });
    own.heldRows();
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
    expect(own.heldRows()).toEqual([
      'rotation_schedules: its digest is missing',
      'rotations: its digest is missing',
      'secrets: its digest is missing',
    ]);
  });
});

describe('a store of the release before state digests', () => {
  it('keeps its documents, and revokes credentials that a crash left', async () => {
    own = await AttackedInstallation.from('before-state-digest');
    const broker = await own.open();
    const { parts } = broker;
    expect(parts.catalog.all('policy').map(({ name, version }) => [name, version])).toEqual([
      ['all', 1],
      ['deny-top', 2],
    ]);
    expect(parts.catalog.find('definition', 'app/db')?.spec.rotation).toBeDefined();
    expect(await parts.store.get('credentials', { id: 'cred_intended' })).toMatchObject({
      state: 'revoking',
    });
    expect(await parts.store.get('rotations', { id: 'rot_1' })).toMatchObject({ state: 'parked' });
    await broker.close('test');
    expect(await own.unreadyAtStart()).toEqual([]);
  });
});

describe('a store of the release before undelete', () => {
  it('keeps its secrets, and the next deletion can be restored', async () => {
    own = await AttackedInstallation.from('before-undelete');
    expect(await own.unreadyAtStart()).toEqual([]);
    const broker = await own.open();
    const [mount] = broker.parts.catalog.all('mount');
    const provider = broker.parts.connections.provider(mount!);
    const context = { requestId: 'req_1', signal: new AbortController().signal };
    const value = async (): Promise<unknown> =>
      (await provider.read('app/db', undefined, context)).data;
    expect(await value()).toEqual({ v: 'two' });
    const [newest] = (await provider.writes?.versions('app/db')) ?? [];
    expect(newest).not.toHaveProperty('method');
    expect(await provider.writes?.versions('app/gone')).toMatchObject([{ state: 'destroyed' }]);
    const removed = await provider.writes!.delete('app/db', undefined);
    await broker.parts.store.commit(removed.fragment);
    await expect(value()).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    await broker.close('test');
    expect(await own.unreadyAtStart()).toEqual([]);
  });
});

describe.each([
  'before-root-key-wraps',
  'before-approvals',
  'before-attestations',
  'before-security-keys',
  'before-secret-metadata',
])('a store of the release %s', (name) => {
  it('is migrated and served, its keys open, and it opens again unchanged', async () => {
    own = await AttackedInstallation.from(name);
    expect(await own.unreadyAtStart()).toEqual([]);
    const rule = name === 'before-attestations' ? 1 : 0;
    const counts = [
      'alerts 0',
      `approvals ${rule}`,
      'enrolments 0',
      'image_evidence 0',
      'quarantines 1',
      'secret_metadata 0',
      'security_keys 0',
      'wrapped_answers 0',
    ];
    expect(digests()).toEqual(expect.arrayContaining(counts));
    expect(own.rows('root_key_wraps')).toHaveLength(1);
    const broker = await own.open();
    const [mount] = broker.parts.catalog.all('mount');
    const provider = broker.parts.connections.provider(mount!);
    const context = { requestId: 'req_1', signal: new AbortController().signal };
    expect((await provider.read('app/db', undefined, context)).data).toEqual({ v: 'two' });
    expect(broker.parts.approvals.rule.required).toEqual(rule === 1 ? ['admin'] : []);
    await broker.close('test');
    expect(await own.unreadyAtStart()).toEqual([]);
  });
});

describe('a store of the release before attestations', () => {
  it('is migrated and served, stores signatures, and is held when one was removed (IS08)', async () => {
    own = await AttackedInstallation.from('before-attestations');
    expect(await own.unreadyAtStart()).toEqual([]);
    expect(digests()).toEqual(expect.arrayContaining(['approvals 1', 'attestations 0']));
    const broker = await own.open();
    const { store, attestations, approvals } = broker.parts;
    expect(approvals.rule.required).toEqual(['admin']);
    const digest = `sha256:${'a'.repeat(64)}`;
    const body = Buffer.from(JSON.stringify(new ImageSigner().bundle(digest)));
    const made = {
      digest,
      id: attestationId(digest, body),
      body,
      createdAt: 1,
      createdBy: 'ci',
      scope: [],
      isRecognized: true,
    };
    await store.commit({ writes: [{ table: 'attestations', put: attestations.seal(made) }] });
    await broker.close('test');
    expect(await own.unreadyAtStart()).toEqual([]);
    expect(digests()).toEqual(expect.arrayContaining(['attestations 1']));
    own.sql((database) => {
      database.exec('DELETE FROM attestations');
    });
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
  });
});

describe('a store of the release before evidence', () => {
  it('is migrated and served, stores evidence, and is held when some was removed', async () => {
    own = await AttackedInstallation.from('before-evidence');
    expect(await own.unreadyAtStart()).toEqual([]);
    expect(digests()).toEqual(expect.arrayContaining(['attestations 0', 'image_evidence 0']));
    const broker = await own.open();
    const facts = {
      scanner: 'trivy',
      scannerVersion: '',
      writer: 'ci',
      scope: [],
      kind: 'secrets',
      config: undefined,
      digests: [`sha256:${'a'.repeat(64)}`],
      reportedAt: Date.now(),
      receivedAt: Date.now(),
    } as const;
    const put = evidenceRow(facts, { findings: [] });
    await broker.parts.store.commit({ writes: [{ table: 'image_evidence', put }] });
    await broker.close('test');
    expect(await own.unreadyAtStart()).toEqual([]);
    expect(digests()).toEqual(expect.arrayContaining(['image_evidence 1']));
    own.sql((database) => {
      database.exec('DELETE FROM image_evidence');
    });
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
  });
});

describe('a store of the release before custom metadata', () => {
  const owner = { owner: 'pay' };

  async function describedStore(): Promise<void> {
    own = await AttackedInstallation.from('before-secret-metadata');
    expect(await own.unreadyAtStart()).toEqual([]);
    expect(digests()).toEqual(expect.arrayContaining(['secrets 3', 'secret_metadata 0']));
    const broker = await own.open();
    const [mount] = broker.parts.catalog.all('mount');
    const { metadata } = broker.parts.connections.provider(mount!).writes!;
    expect(await metadata.read('app/labelled')).toBeUndefined();
    for (const entries of [{ owner: 'ops' }, owner]) {
      const change = { entries, replaces: true, ifVersion: undefined };
      const { fragment } = await metadata.change('app/labelled', change, 'alice');
      await broker.parts.store.commit(fragment);
    }
    await broker.close('test');
  }

  it('is migrated, and keeps metadata of its secrets over a restart', async () => {
    await describedStore();
    expect(await own.unreadyAtStart()).toEqual([]);
    expect(digests()).toEqual(expect.arrayContaining(['secret_metadata 1']));
    const broker = await own.open();
    const [mount] = broker.parts.catalog.all('mount');
    const { writes } = broker.parts.connections.provider(mount!);
    expect(await writes!.metadata.read('app/labelled')).toMatchObject({
      version: 2,
      entries: owner,
      updatedBy: 'alice',
    });
    expect(await writes!.versions('app/labelled')).toMatchObject([{ labels: { team: 'pay' } }]);
    await broker.close('test');
  });

  it.each([
    ['removed', 'DELETE FROM secret_metadata'],
    ['changed', `UPDATE secret_metadata SET body = '{"owner":"mallory"}'`],
    ['moved to another secret', `UPDATE secret_metadata SET path = 'app/db'`],
    ['set back to an earlier version', `UPDATE secret_metadata SET version = 1`],
  ])('is held when metadata was %s in the database', async (_what, attack) => {
    await describedStore();
    own.sql((database) => {
      database.exec(attack);
    });
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
  });
});

describe('the rule that grants of admin need an approval', () => {
  it('is not removed by an attacker with write access to the database', async () => {
    own = await AttackedInstallation.from('before-approvals');
    const broker = await own.open();
    const { store, approvals } = broker.parts;
    await store.commit({
      writes: [{ table: 'approvals', put: approvals.sealRule('alice', ['admin']) }],
    });
    await broker.close('test');
    own.sql((database) => {
      database.exec('DELETE FROM approvals');
    });
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
  });
});

describe('a security key', () => {
  it.each([
    ['removed', 'DELETE FROM security_keys'],
    ['given to another person', `UPDATE security_keys SET person = 'oidc:corp/mallory'`],
    ['set back to an earlier counter', 'UPDATE security_keys SET counter = 0'],
  ])('is not %s by an attacker with write access to the database', async (_what, attack) => {
    own = await AttackedInstallation.from('before-security-keys');
    const broker = await own.open();
    await broker.parts.store.commit({
      writes: [{ table: 'security_keys', put: authenticateKey(broker.parts, KEY) }],
    });
    await broker.close('test');
    expect(await own.unreadyAtStart()).toEqual([]);
    own.sql((database) => {
      database.exec(attack);
    });
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
  });
});
