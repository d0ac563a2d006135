import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { applyDocument } from '../../../src/broker/documents/apply-document.ts';
import { removeSessions } from '../../../src/broker/leases/ended-sessions.ts';
import {
  createOperatorToken,
  revokeOperatorToken,
} from '../../../src/broker/sessions/operator-tokens.ts';
import type { RunningBroker } from '../../../src/program/broker/broker.ts';
import { runRelease } from '../../../src/program/verbs/release.ts';
import { newToken } from '../../../src/crypto/random/token.ts';
import type { DocumentKind } from '../../../src/broker/model/kinds.ts';
import { policy } from '../../kit/broker/test-broker.ts';
import { AttackedInstallation, type Row } from '../../kit/log/attacked-installation.ts';
import { newCall } from '../../kit/broker/api-call.ts';
import { credentialRow, leaseRow } from '../../kit/fakes/store-rows.ts';
import { until } from '../../kit/backends/until.ts';
import { KeyringRowMacs } from '../../../src/broker/kernel/row-macs.ts';
import { openEmbedded } from '../../../src/providers/embedded/open.ts';
import { DIGESTED } from '../../../src/store/guard/guarded-tables.ts';
import { RowGuard } from '../../../src/store/guard/row-guard.ts';
import { manifestDigests } from '../../../src/store/guard/state-check.ts';
import { fillInstallation } from '../../kit/store/filled-installation.ts';
import { listRows } from '../../kit/store/table-rows.ts';

let own: AttackedInstallation;
let token: string;

beforeEach(async () => {
  own = await AttackedInstallation.make();
  token = await own.init();
});
afterEach(() => own.remove());

const POLICY = (name: string, path: string): object =>
  policy(name, [path], { capabilities: ['read'], rule: { effect: 'deny' } });

/** Serves with the operator's token and stops again. */
async function served(work: (broker: RunningBroker, save: Saver) => Promise<void>): Promise<void> {
  const broker = await own.open();
  try {
    const { parts } = broker;
    const operator = (await parts.tokens.find(token, parts.catalog))!;
    await work(broker, async (kind, name, body) => {
      const isThere = parts.catalog.find(kind, name) !== undefined;
      const precondition = isThere ? { ifMatch: '*' } : ({ ifNoneMatch: '*' } as const);
      await applyDocument(parts, newCall(), operator, { kind, name, body, precondition });
    });
  } finally {
    await broker.close('test');
  }
}
type Saver = (kind: DocumentKind, name: string, body: unknown) => Promise<void>;

/** The broker's report about the rows at its start, each problem as text; empty when it serves. */
async function problems(): Promise<readonly string[]> {
  own.heldRows();
  const unready = await own.unreadyAtStart();
  const found = own.heldRows();
  expect(unready).toEqual(found.length === 0 ? [] : ['ERR_HELD']);
  return found;
}

async function release(): Promise<string> {
  const path = own.at('config.yaml');
  await writeFile(path, JSON.stringify(own.config));
  return runRelease({ config: path, comment: 'restored on purpose' });
}

describe('modified rows of a stopped broker', () => {
  it('are not reported for an unchanged store, start after start', async () => {
    await served((_, save) => save('policy', 'deny-top', POLICY('deny-top', 'top/**')));
    expect(await problems()).toEqual([]);
    expect(await problems()).toEqual([]);
  });

  it('hold the broker when a policy was deleted, and name it (C04)', async () => {
    await served((_, save) => save('policy', 'deny-top', POLICY('deny-top', 'top/**')));
    own.sql((database) => database.exec(`DELETE FROM documents WHERE kind = 'policy'`));
    expect(await problems()).toEqual([
      'documents: there are 1 rows, the digest is over 2; policy/deny-top is missing',
    ]);
  });

  it('hold the broker when a policy was replaced by its earlier version (C04)', async () => {
    await served(async (_, save) => {
      await save('policy', 'narrow', POLICY('narrow', 'a/**'));
    });
    const [earlier] = own.rows('documents').filter(({ kind }) => kind === 'policy');
    await served((_, save) => save('policy', 'narrow', POLICY('narrow', 'b/**')));
    own.putRow('documents', earlier!);
    expect((await problems()).join()).toContain(
      'policy/narrow is version 1, the last one written is 2',
    );
  });

  it('hold the broker when the later version was removed from the history too', async () => {
    await served((_, save) => save('policy', 'narrow', POLICY('narrow', 'a/**')));
    const [earlier] = own.rows('documents').filter(({ kind }) => kind === 'policy');
    await served((_, save) => save('policy', 'narrow', POLICY('narrow', 'b/**')));
    own.putRow('documents', earlier!);
    own.sql((database) =>
      database.exec(`DELETE FROM document_versions WHERE kind = 'policy' AND version = 2`),
    );
    expect(await problems()).toEqual(['documents: there are 2 rows, the digest is over 2']);
  });

  it('hold the broker when a revoked operator token was restored (C04)', async () => {
    let id = '';
    await served(async ({ parts }) => {
      const operator = (await parts.tokens.find(token, parts.catalog))!;
      const { name } = operator.operator;
      const wish = { operator: name, body: {} };
      ({ id } = (await createOperatorToken(parts, newCall(), operator, wish)).stored);
    });
    const before = own.rows('operator_tokens');
    await served(async ({ parts }) => {
      const operator = (await parts.tokens.find(token, parts.catalog))!;
      const { name } = operator.operator;
      await revokeOperatorToken(parts, newCall(), operator, { operator: name, id });
    });
    before.forEach((row) => own.putRow('operator_tokens', row));
    expect(await problems()).toEqual(['operator_tokens: there are 2 rows, the digest is over 1']);
  });

  it('hold the broker when rows and digests were both replaced by an earlier copy (C04)', async () => {
    const digests = own.rows('state_digests');
    const documents = own.rows('documents');
    await served((_, save) => save('policy', 'deny-top', POLICY('deny-top', 'top/**')));
    own.sql((database) => database.exec('DELETE FROM documents'));
    documents.forEach((row) => own.putRow('documents', row));
    digests.forEach((row) => own.putRow('state_digests', row));
    expect(await problems()).toEqual([
      'documents: the digest in the store is generation 2, the log names 3',
    ]);
  });

  it('hold the broker when the digests were deleted', async () => {
    own.sql((database) => database.exec('DELETE FROM state_digests'));
    expect(await problems()).toContain('documents: its digest is missing');
  });

  it('hold the broker when the digests and the MACs of checkpoints were removed, as if they had never existed (C14)', async () => {
    own.sql((database) => {
      database.exec('DELETE FROM state_digests');
      database.exec('UPDATE log_checkpoints SET state = NULL');
    });
    own.putRow('credentials', credentialRow('cred_1', { state: 'revoking' }));
    expect(await problems()).toContain('documents: its digest is missing');
  });

  it('hold the broker when a credential was invented, and name it (C14)', async () => {
    own.putRow('credentials', credentialRow('cred_1'));
    expect(await problems()).toEqual(['credentials: credentials cred_1 has no valid MAC']);
  });

  it('are accepted by a release, which shows what it accepts and records it (C04)', async () => {
    await served((_, save) => save('policy', 'deny-top', POLICY('deny-top', 'top/**')));
    own.sql((database) => database.exec(`DELETE FROM documents WHERE kind = 'policy'`));
    const text = await release();
    expect(text).toContain('rows_differ: documents: there are 1 rows, the digest is over 2');
    expect(text).toContain('policy/deny-top is missing');
    expect(text).toContain('documents: 1 rows');
    expect(await problems()).toEqual([]);
    const broker = await own.open();
    await broker.trail.integrator.integrate();
    const { items } = await broker.trail.reader.search({ action: 'broker.release' }, { limit: 2 });
    expect(items[0]?.entry).toContain('policy/deny-top is missing');
    await broker.close('test');
  });

  it('are not accepted by a release when no key of the installation made their MAC', async () => {
    own.putRow('credentials', credentialRow('cred_1'));
    await expect(release()).rejects.toMatchObject({ code: 'ERR_HELD' });
  });

  it('do not reactivate a closed session (C04)', async () => {
    let sessionToken = '';
    let ended: Row[] = [];
    await served(async ({ parts }) => {
      const { sessions, store } = parts;
      const workload = {
        cluster: 'c1',
        namespace: 'pay',
        serviceAccount: 'api',
        serviceAccountUid: 'u',
      };
      const text = newToken('qms');
      const hash = sessions.hash(text);
      const id = 'ses_1';
      const facts = { source: '10.0.0.1', createdAt: Date.now(), endsAt: Date.now() + 600_000 };
      const session = { kind: 'workload', id, workload, clusterUid: 'doc_1', ...facts } as const;
      await store.commit({ writes: [{ table: 'sessions', put: sessions.rowOf(session, hash) }] });
      expect(await sessions.find(text)).toBeDefined();
      ended = [...(await listRows(store, 'sessions', { limit: 10 }))];
      await store.commit({ writes: removeSessions(parts, [id]), invalidates: [`session:${id}`] });
      sessionToken = text;
    });
    ended.forEach((row) => own.putRow('sessions', row));
    expect(await problems()).toEqual([]);
    const broker = await own.open();
    expect(await broker.parts.sessions.find(sessionToken)).toBeUndefined();
    await broker.close('test');
    own.sql((database) => database.exec('DELETE FROM ended_sessions'));
    expect(await problems()).toEqual(['ended_sessions: there are 0 rows, the digest is over 1']);
  });

  it('refuse only the plan that changes them once the broker is sealed', async () => {
    const broker = await own.open();
    const { store, keyring, tokens, catalog } = broker.parts;
    const id = (await tokens.find(token, catalog))!.operator.tokenId;
    keyring.seal(Date.now());
    const removal = store.commit({ writes: [{ table: 'operator_tokens', remove: { id } }] });
    const other = store.commit({ writes: [{ table: 'claims', remove: { name: 'absent' } }] });
    await expect(removal).rejects.toMatchObject({ code: 'ERR_SEALED' });
    expect(await other).toMatchObject({ status: 'committed' });
    expect(broker.unready()).not.toContain('ERR_HELD');
    await broker.close('test');
  });
});

describe('a secret of the embedded provider whose later version was removed', () => {
  const stage = async ({ parts }: RunningBroker, value: string): Promise<void> => {
    const { store, clock, keyring, installation } = parts;
    const { writes } = openEmbedded({ store, clock, keyring, installation }).provider.mount({
      prefix: 'app',
    });
    const { fragment } = await writes!.put('app/db', { password: value }, undefined, {
      author: 'test',
      method: 'put',
    });
    expect(await store.commit(fragment)).toMatchObject({ status: 'committed' });
  };

  it('holds the broker when the earlier head was restored too', async () => {
    await served((broker) => stage(broker, 'one'));
    const [head] = own.rows('secrets');
    await served((broker) => stage(broker, 'two'));
    own.putRow('secrets', head!);
    own.sql((database) => database.exec('DELETE FROM secret_versions WHERE version = 2'));
    expect(await problems()).toEqual([expect.stringMatching(/^secrets: /)]);
  });
});

describe('the first digests', () => {
  it('cover every kind, and the log names them', async () => {
    const digests = own.rows('state_digests');
    expect(digests.map(({ kind }) => kind).sort()).toEqual([...DIGESTED]);
    await served(async ({ trail }) => {
      await trail.integrator.integrate();
      const { items } = await trail.reader.search({ action: 'state.digest' }, { limit: 10 });
      const first = items.filter(({ entry }) => entry.includes('"cause":"first_digest"'));
      expect(first).toHaveLength(1);
      for (const kind of DIGESTED) expect(first[0]?.entry).toContain(`"kind":"${kind}"`);
    });
  });

  it('are not created again when someone removed them (C14)', async () => {
    await fillInstallation(own);
    own.sql((database) => {
      database.exec('DELETE FROM state_digests');
      database.exec('UPDATE credentials SET mac = NULL');
      database.exec('UPDATE log_checkpoints SET state = NULL');
    });
    expect(await problems()).toEqual(DIGESTED.map((kind) => `${kind}: its digest is missing`));
  });
});

describe('modified rows of an installation with rotations', () => {
  beforeEach(async () => {
    await own.remove();
    own = await AttackedInstallation.make();
    await fillInstallation(own);
  });

  it.each(['rotations', 'rotation_schedules', 'secrets'])(
    'hold the broker when one of %s was deleted',
    async (table) => {
      const before = own.rows(table).length;
      own.sql((database) =>
        database.exec(`DELETE FROM "${table}" WHERE rowid = (SELECT max(rowid) FROM "${table}")`),
      );
      expect(await problems()).toEqual([
        `${table}: there are ${before - 1} rows, the digest is over ${before}`,
      ]);
    },
  );

  it('hold the broker before an invented lease expires or revokes anything', async () => {
    own.putRow('leases', leaseRow('lea_invented', { credential_id: 'cred_issued' }));
    const broker = await own.open();
    await until('the expiry worker met the lease', () => Promise.resolve(broker.held().length > 0));
    expect(broker.held()).toEqual([{ reason: 'rows_differ', kind: 'leases', count: 1 }]);
    await broker.close('test');
    expect(own.heldRows()).toEqual(['leases lea_invented has no valid MAC']);
    expect(own.rows('leases').find(({ id }) => id === 'lea_invented')).toMatchObject({
      state: 'live',
    });
  });

  it('hold the broker when a lease was extended', async () => {
    own.sql((database) =>
      database.exec(`UPDATE leases SET ends_at = ends_at + 1 WHERE id = 'lea_live'`),
    );
    const broker = await own.open();
    await expect(broker.parts.store.get('leases', { id: 'lea_live' })).rejects.toMatchObject({
      reason: 'rows_differ',
    });
    expect(broker.unready()).toEqual(['ERR_HELD']);
    await broker.close('test');
  });

  it('hold the broker when the claim on the log was given away for ever, and name the claim', async () => {
    own.sql((database) =>
      database.exec(`UPDATE claims SET owner = 'attacker', until = 9007199254740000`),
    );
    const broker = await own.open();
    await broker.trail.integrator.integrate();
    expect(broker.held()).toEqual([{ reason: 'rows_differ', kind: 'claims', count: 1 }]);
    await broker.close('test');
    expect(own.heldRows()).toContain('claims audit-integrator has no valid MAC');
    own.sql((database) => database.exec(`DELETE FROM claims WHERE name = 'audit-integrator'`));
    expect(await own.unreadyAtStart()).toEqual([]);
  });
});

describe('a row without a valid MAC at the start of the broker', () => {
  it.each([
    ['documents', `UPDATE documents SET updated_by = 'x' WHERE kind = 'operator'`],
    ['operator_tokens', `UPDATE operator_tokens SET ends_at = ends_at + 1`],
  ])('leaves the broker up and held if it is one of %s, and is named', async (kind, change) => {
    own.sql((database) => database.exec(change));
    own.heldRows();
    const broker = await own.open();
    expect(broker.unready()).toEqual(['ERR_HELD']);
    expect(broker.held()).toEqual([{ reason: 'rows_differ', kind, count: 1 }]);
    await broker.close('test');
    expect(own.heldRows()).toEqual([
      expect.stringMatching(new RegExp(`^${kind}: ${kind} \\S+ has no valid MAC$`)),
    ]);
  });

  it('leaves the broker up and held if it is one of the quarantines, and is named', async () => {
    own.putRow('quarantines', {
      kind: 'operator',
      subject: 'ed',
      id: 'qua_1',
      reason: 'invented',
      created_by: 'attacker',
      created_at: 1,
      ends_at: null,
      mac: Buffer.alloc(33),
    });
    const broker = await own.open();
    expect(broker.held()).toEqual([{ reason: 'rows_differ', kind: 'quarantines', count: 1 }]);
    await broker.close('test');
  });

  it('is recorded in the log, and one that is found later too', async () => {
    own.putRow('leases', leaseRow('lea_invented'));
    own.sql((database) => database.exec(`UPDATE operator_tokens SET ends_at = ends_at + 1`));
    const broker = await own.open();
    await expect(broker.parts.store.get('leases', { id: 'lea_invented' })).rejects.toThrow();
    await broker.trail.integrator.integrate();
    const { items } = await broker.trail.reader.search({ action: 'broker.hold' }, { limit: 9 });
    const comments = items.map(({ entry }) => (JSON.parse(entry) as Row)['comment']);
    expect(comments).toEqual([
      'leases lea_invented has no valid MAC',
      expect.stringMatching(/^operator_tokens: /),
    ]);
    await broker.close('test');
  });
});

describe('the digests for the manifest of a backup', () => {
  it('are those that the log names', async () => {
    await served(async (broker, save) => {
      await save('policy', 'deny-top', POLICY('deny-top', 'top/**'));
      const { store, keyring } = broker.parts;
      const guard = new RowGuard({ entry: () => '{}' });
      guard.open({ keyring, rows: new KeyringRowMacs(keyring) });
      const named = await manifestDigests(store, guard);
      expect(named.map(({ kind }) => kind)).toEqual([...DIGESTED]);
      expect(named.find(({ kind }) => kind === 'documents')).toMatchObject({ count: 2 });
      const batches = await listRows(store, 'audit_batches', { limit: 100 });
      const log = batches.map(({ entries }) => Buffer.from(entries).toString()).join('');
      for (const one of named) expect(log).toContain(JSON.stringify(one));
    });
  });

  it('are refused if one is missing', async () => {
    const broker = await own.open();
    const { store, keyring } = broker.parts;
    const guard = new RowGuard({ entry: () => '{}' });
    guard.open({ keyring, rows: new KeyringRowMacs(keyring) });
    await store.commit({ writes: [{ table: 'state_digests', remove: { kind: 'secrets' } }] });
    await expect(manifestDigests(store, guard)).rejects.toMatchObject({ reason: 'rows_behind' });
    await broker.close('test');
  });
});
