import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { Call } from '../../../src/broker/call.ts';
import { applyDocument } from '../../../src/broker/documents/apply-document.ts';
import {
  createOperatorToken,
  revokeOperatorToken,
} from '../../../src/broker/sessions/operator-tokens.ts';
import type { LiveOperator } from '../../../src/broker/sessions/operator-token-memory.ts';
import type { RunningBroker } from '../../../src/compose/broker.ts';
import { sha256Hex } from '../../../src/crypto/digest.ts';
import { randomId } from '../../../src/crypto/random.ts';
import { encodeClient } from '../../../src/domain/audit-event.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import { createDatabase } from '../../kit/backends/postgres.ts';
import { until } from '../../kit/backends/until.ts';
import { policy } from '../../kit/broker-parts.ts';
import { AttackedInstallation } from '../../kit/attacked-installation.ts';

function call(): Call {
  const requestId = randomId('req');
  const address = '10.0.0.1';
  const client = encodeClient({ address }, sha256Hex);
  const { signal } = new AbortController();
  const context = (): { requestId: string; signal: AbortSignal } => ({ requestId, signal });
  return {
    requestId,
    address,
    network: address,
    holder: address,
    client,
    refusedClient: client,
    context,
  };
}

describeWith(
  ['postgres'],
  'rows of running brokers on PostgreSQL that somebody changed',
  ({ postgres }) => {
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

    async function save(name: string, path: string): Promise<void> {
      const { parts } = one();
      const isThere = parts.catalog.find('policy', name) !== undefined;
      const precondition = isThere ? { ifMatch: '*' } : ({ ifNoneMatch: '*' } as const);
      const body = policy(name, [path]);
      await applyDocument(parts, call(), operator, { kind: 'policy', name, body, precondition });
    }

    const paths = ({ parts }: RunningBroker, name: string): readonly string[] => {
      const text = JSON.stringify(parts.catalog.find('policy', name)?.body ?? null);
      return [...text.matchAll(/app\/\w+/g)].map(([path]) => path);
    };

    it('are not there while two brokers write and revoke in turn', async () => {
      for (let round = 0; round < 5; round += 1) await save(`p${round % 2}`, `app/${round}`);
      await until('the other broker knows', () =>
        Promise.resolve(paths(two(), 'p0')[0] === 'app/4'),
      );
      const { token, stored } = await createOperatorToken(one().parts, call(), operator, {
        operator: operator.operator.name,
        body: { ttl: '10m' },
      });
      expect(await two().parts.tokens.find(token, two().parts.catalog)).toBeDefined();
      await revokeOperatorToken(one().parts, call(), operator, {
        operator: operator.operator.name,
        id: stored.id,
      });
      await until('the other broker forgets', async () => {
        return (await two().parts.tokens.find(token, two().parts.catalog)) === undefined;
      });
      expect(brokers.flatMap((broker) => broker.unready())).toEqual([]);
    });

    it('do not bring a revoked operator token back, and hold the broker that meets it', async () => {
      const { token, stored } = await createOperatorToken(one().parts, call(), operator, {
        operator: operator.operator.name,
        body: { ttl: '10m' },
      });
      const { rows } = await database.query('SELECT * FROM operator_tokens WHERE id = $1', [
        stored.id,
      ]);
      await revokeOperatorToken(one().parts, call(), operator, {
        operator: operator.operator.name,
        id: stored.id,
      });
      const row = rows[0] as Record<string, unknown>;
      const names = Object.keys(row);
      await database.query(
        `INSERT INTO operator_tokens (${names.join(', ')}) VALUES (${names.map((_, i) => `$${i + 1}`).join(', ')})`,
        Object.values(row),
      );
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

    it('do not bring an earlier policy into force, and hold the brokers', async () => {
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
  },
);
