import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { applyDocument } from '../../../src/broker/documents/apply-document.ts';
import {
  createOperatorToken,
  revokeOperatorToken,
} from '../../../src/broker/sessions/operator-tokens.ts';
import type { LiveOperator } from '../../../src/broker/state/operator-token-memory.ts';
import type { RunningBroker } from '../../../src/program/broker/broker.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import { createDatabase } from '../../kit/backends/postgres.ts';
import { until } from '../../kit/backends/until.ts';
import { policy } from '../../kit/broker/test-broker.ts';
import { newCall } from '../../kit/broker/api-call.ts';
import { leaseRow } from '../../kit/fakes/store-rows.ts';
import { HandClock } from '../../kit/time/hand-clock.ts';
import { openEmbedded } from '../../../src/providers/embedded/open.ts';
import { newToken } from '../../../src/crypto/random/token.ts';
import { removeSessions } from '../../../src/broker/leases/ended-sessions.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';

describeWith(['postgres'], 'modified rows of running brokers on PostgreSQL', ({ postgres }) => {
  let own: AttackedInstallation;
  let brokers: readonly RunningBroker[];
  let operator: LiveOperator;
  let database: pg.Client;
  const cleanUps: (() => Promise<unknown>)[] = [];

  beforeEach(async () => {
    const made = await createDatabase(postgres);
    const directory = await mkdtemp(join(tmpdir(), 'qm-live-'));
    const connectionStringFile = join(directory, 'connection');
    await writeFile(connectionStringFile, made.connectionString, { mode: 0o600 });
    own = await AttackedInstallation.make(() => ({
      store: { type: 'postgres', connectionStringFile },
    }));
    const token = await own.init();
    brokers = [await own.open(), await own.open()];
    operator = (await one().parts.tokens.find(token, one().parts.catalog))!;
    database = new pg.Client({ connectionString: made.connectionString });
    await database.connect();
    cleanUps.push(
      () => database.end(),
      ...brokers.map((broker) => () => broker.close('test')),
      () => made.drop(),
      () => own.remove(),
      () => rm(directory, { recursive: true }),
    );
  });
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0)) await cleanUp();
  });

  const one = (): RunningBroker => brokers[0]!;
  const two = (): RunningBroker => brokers[1]!;

  async function insert(table: string, row: object): Promise<void> {
    const names = Object.keys(row);
    const places = names.map((_, index) => `$${index + 1}`).join(', ');
    await database.query(
      `INSERT INTO ${table} (${names.join(', ')}) VALUES (${places})`,
      Object.values(row),
    );
  }

  async function save(name: string, path: string): Promise<void> {
    const { parts } = one();
    const isThere = parts.catalog.find('policy', name) !== undefined;
    const precondition = isThere ? { ifMatch: '*' } : ({ ifNoneMatch: '*' } as const);
    const body = policy(name, [path]);
    await applyDocument(parts, newCall(), operator, { kind: 'policy', name, body, precondition });
  }

  const paths = ({ parts }: RunningBroker, name: string): readonly string[] => {
    const text = JSON.stringify(parts.catalog.find('policy', name)?.body ?? null);
    return [...text.matchAll(/app\/\w+/g)].map(([path]) => path);
  };

  it('are not reported while two brokers write and revoke in turn', async () => {
    for (let round = 0; round < 5; round += 1) await save(`p${round % 2}`, `app/${round}`);
    await until('the other broker knows', () => Promise.resolve(paths(two(), 'p0')[0] === 'app/4'));
    const { token, stored } = await createOperatorToken(one().parts, newCall(), operator, {
      operator: operator.operator.name,
      body: { ttl: '10m' },
    });
    expect(await two().parts.tokens.find(token, two().parts.catalog)).toBeDefined();
    await revokeOperatorToken(one().parts, newCall(), operator, {
      operator: operator.operator.name,
      id: stored.id,
    });
    await until('the other broker forgets', async () => {
      return (await two().parts.tokens.find(token, two().parts.catalog)) === undefined;
    });
    expect(brokers.flatMap((broker) => broker.unready())).toEqual([]);
  });

  it('do not reactivate a revoked operator token, and hold the broker that reads it (C04)', async () => {
    const { token, stored } = await createOperatorToken(one().parts, newCall(), operator, {
      operator: operator.operator.name,
      body: { ttl: '10m' },
    });
    const { rows } = await database.query('SELECT * FROM operator_tokens WHERE id = $1', [
      stored.id,
    ]);
    await revokeOperatorToken(one().parts, newCall(), operator, {
      operator: operator.operator.name,
      id: stored.id,
    });
    const row = rows[0] as Record<string, unknown>;
    await insert('operator_tokens', row);
    for (const broker of brokers) {
      await expect(broker.parts.tokens.find(token, broker.parts.catalog)).rejects.toMatchObject({
        code: 'ERR_CIPHERTEXT_INVALID',
        reason: 'rows_differ',
      });
      expect(broker.unready()).toEqual(['ERR_HELD']);
      await expect(broker.parts.store.commit({ entries: ['{}'] })).rejects.toMatchObject({
        code: 'ERR_HELD',
      });
    }
  });

  it('do not reactivate an earlier policy, and hold the brokers (C04)', async () => {
    await save('narrow', 'app/wide');
    const { rows } = await database.query(`SELECT * FROM documents WHERE name = 'narrow'`);
    await save('narrow', 'app/narrow');
    await until('both know', () => Promise.resolve(paths(two(), 'narrow')[0] === 'app/narrow'));
    const row = rows[0] as Record<string, unknown>;
    await database.query(
      `UPDATE documents SET uid = $1, version = $2, body = $3, updated_at = $4, updated_by = $5, mac = $6 WHERE name = 'narrow'`,
      [row['uid'], row['version'], row['body'], row['updated_at'], row['updated_by'], row['mac']],
    );
    await database.query(
      `INSERT INTO changes (seq, kind, key, at) SELECT max(seq) + 1, 'document', 'policy/narrow', 1 FROM changes`,
    );
    for (const broker of brokers) {
      await until('held', () => Promise.resolve(broker.unready().includes('ERR_HELD')));
      expect(paths(broker, 'narrow')).toEqual(['app/narrow']);
    }
  });

  it('do not revoke anything by an invented lease, and hold the brokers', async () => {
    await insert('leases', leaseRow('lea_invented'));
    for (const broker of brokers) {
      await until('held', () => Promise.resolve(broker.unready().includes('ERR_HELD')));
      expect(broker.held()).toEqual([{ reason: 'rows_differ', kind: 'leases', count: 1 }]);
    }
    const { rows } = await database.query(`SELECT state FROM leases WHERE id = 'lea_invented'`);
    expect(rows).toEqual([{ state: 'live' }]);
    await until('both brokers recorded it', async () => {
      const { rows: batches } = await database.query<{ entries: Buffer }>(
        'SELECT entries FROM audit_batches',
      );
      const log = batches.map(({ entries }) => entries.toString()).join('');
      return log.split('leases lea_invented has no valid MAC').length === 3;
    });
  });

  it('hold the brokers when the claim on the log was given away for ever', async () => {
    await until('a broker has the claim', async () => {
      return (await database.query('SELECT 1 FROM claims')).rows.length > 0;
    });
    await database.query(`UPDATE claims SET owner = 'attacker', until = 9007199254740000`);
    for (const broker of brokers) {
      await until('held', () => Promise.resolve(broker.unready().includes('ERR_HELD')));
      expect(broker.held()).toEqual([
        { reason: 'rows_differ', kind: 'claims', count: expect.any(Number) },
      ]);
    }
  });

  it('do not keep a closed session alive beyond the next comparison of all rows', async () => {
    const clock = new HandClock(Date.now());
    own.clock = clock;
    const broker = await own.open();
    cleanUps.unshift(() => broker.close('test'));
    const { sessions, store } = broker.parts;
    const workload = {
      cluster: 'c1',
      namespace: 'pay',
      serviceAccount: 'api',
      serviceAccountUid: 'u',
    };
    const text = newToken('qms');
    const times = { createdAt: clock.now(), endsAt: clock.now() + 600_000 };
    const session = {
      kind: 'workload',
      id: 'ses_1',
      workload,
      source: '10.0.0.1',
      clusterUid: 'd',
      ...times,
    } as const;
    const put = sessions.rowOf(session, sessions.hash(text));
    await store.commit({ writes: [{ table: 'sessions', put }] });
    await store.commit({
      writes: removeSessions(broker.parts, ['ses_1']),
      invalidates: ['session:ses_1'],
    });
    await insert('sessions', put);
    expect(await sessions.find(text)).toBeUndefined();
    await database.query('DELETE FROM ended_sessions');
    expect(await sessions.find(text)).toBeDefined();
    clock.advance(60_000);
    await until('held', () => Promise.resolve(broker.unready().includes('ERR_HELD')));
    expect(broker.held()).toEqual([{ reason: 'rows_differ', kind: 'ended_sessions', count: 1 }]);
    await expect(store.commit({ entries: ['{}'] })).rejects.toMatchObject({ code: 'ERR_HELD' });
  });

  it('do not hide the later version of a secret beyond the next comparison of all rows', async () => {
    const clock = new HandClock(Date.now());
    own.clock = clock;
    const broker = await own.open();
    cleanUps.unshift(() => broker.close('test'));
    const { store, keyring, installation } = broker.parts;
    const { writes } = openEmbedded({ store, clock, keyring, installation }).provider.mount({
      prefix: 'app',
    });
    const write = async (value: string): Promise<void> => {
      const { fragment } = await writes!.put('app/db', { value }, undefined, {
        author: 'test',
        method: 'put',
      });
      expect(await store.commit(fragment)).toMatchObject({ status: 'committed' });
    };
    await write('one');
    const { rows } = await database.query('SELECT * FROM secrets');
    await write('two');
    await database.query('DELETE FROM secrets');
    await insert('secrets', rows[0] as object);
    await database.query('DELETE FROM secret_versions WHERE version = 2');
    clock.advance(60_000);
    await until('held', () => Promise.resolve(broker.unready().includes('ERR_HELD')));
    expect(broker.held()).toEqual([{ reason: 'rows_differ', kind: 'secrets', count: 1 }]);
  });
});
