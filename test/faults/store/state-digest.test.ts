import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type Database from 'better-sqlite3';
import { writeFile } from 'node:fs/promises';
import { applyDocument } from '../../../src/broker/documents/apply-document.ts';
import { removeSessions } from '../../../src/broker/sessions/ended-sessions.ts';
import { revokeOperatorToken } from '../../../src/broker/sessions/operator-tokens.ts';
import type { RunningBroker } from '../../../src/compose/broker.ts';
import { runRelease } from '../../../src/compose/verbs/release.ts';
import { sha256Hex } from '../../../src/crypto/digest.ts';
import { randomId } from '../../../src/crypto/random.ts';
import { newToken } from '../../../src/crypto/token.ts';
import { encodeClient } from '../../../src/domain/audit-event.ts';
import type { Call } from '../../../src/broker/call.ts';
import type { DocumentKind } from '../../../src/broker/documents/kinds.ts';
import { policy } from '../../kit/broker-parts.ts';
import { AttackedInstallation } from '../../kit/attacked-installation.ts';
import { credentialRow } from '../../kit/fakes/store-rows.ts';

type Row = Record<string, unknown>;

let own: AttackedInstallation;
let token: string;

beforeEach(async () => {
  own = await AttackedInstallation.make();
  token = await own.init();
});
afterEach(() => own.remove());

const POLICY = (name: string, path: string): object =>
  policy(name, [path], { capabilities: ['read'], rule: { effect: 'deny' } });

function call(): Call {
  const requestId = randomId('req');
  const client = encodeClient({ address: '10.0.0.1' }, sha256Hex);
  const { signal } = new AbortController();
  const address = '10.0.0.1';
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

/** Serves with the operator's token and stops again. */
async function served(work: (broker: RunningBroker, save: Saver) => Promise<void>): Promise<void> {
  const broker = await own.open();
  try {
    const { parts } = broker;
    const operator = (await parts.tokens.find(token, parts.catalog))!;
    await work(broker, async (kind, name, body) => {
      const isThere = parts.catalog.find(kind, name) !== undefined;
      const precondition = isThere ? { ifMatch: '*' } : ({ ifNoneMatch: '*' } as const);
      await applyDocument(parts, call(), operator, { kind, name, body, precondition });
    });
  } finally {
    await broker.close('test');
  }
}
type Saver = (kind: DocumentKind, name: string, body: unknown) => Promise<void>;

const rows = (table: string): readonly Row[] => {
  let found: Row[] = [];
  own.sql((database) => {
    found = database.prepare(`SELECT * FROM "${table}"`).all() as Row[];
  });
  return found;
};

function put(database: Database.Database, table: string, row: Row): void {
  const names = Object.keys(row);
  database
    .prepare(
      `INSERT OR REPLACE INTO "${table}" (${names.map((name) => `"${name}"`).join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
    )
    .run(...Object.values(row));
}

/** What the broker says of the rows when it starts, each problem as text; empty when it serves. */
async function problems(): Promise<readonly string[]> {
  own.logged.length = 0;
  const broker = await own.open();
  const unready = broker.unready();
  await broker.close('test');
  const found = own.logged.flatMap((line) => {
    const { what } = (line as { fields: { what?: string } }).fields;
    return what === undefined ? [] : [what];
  });
  expect(unready).toEqual(found.length === 0 ? [] : ['ERR_HELD']);
  return found;
}

async function release(): Promise<string> {
  const path = own.at('config.yaml');
  await writeFile(path, JSON.stringify(own.config));
  return runRelease({ config: path, comment: 'restored on purpose' });
}

describe('rows of a stopped broker that somebody changed', () => {
  it('are served when nobody touched them, again and again', async () => {
    await served((_, save) => save('policy', 'deny-top', POLICY('deny-top', 'top/**')));
    expect(await problems()).toEqual([]);
    expect(await problems()).toEqual([]);
  });

  it('hold the broker when a policy was deleted, and name it', async () => {
    await served((_, save) => save('policy', 'deny-top', POLICY('deny-top', 'top/**')));
    own.sql((database) => database.exec(`DELETE FROM documents WHERE kind = 'policy'`));
    expect(await problems()).toEqual([
      'documents: there are 1 rows, the digest is over 2; policy/deny-top is missing',
    ]);
  });

  it('hold the broker when a policy was replaced by its earlier version', async () => {
    await served(async (_, save) => {
      await save('policy', 'narrow', POLICY('narrow', 'a/**'));
    });
    const [earlier] = rows('documents').filter(({ kind }) => kind === 'policy');
    await served((_, save) => save('policy', 'narrow', POLICY('narrow', 'b/**')));
    own.sql((database) => put(database, 'documents', earlier!));
    expect((await problems()).join()).toContain(
      'policy/narrow is version 1, the last one written is 2',
    );
  });

  it('hold the broker when the later version was removed from the history too', async () => {
    await served((_, save) => save('policy', 'narrow', POLICY('narrow', 'a/**')));
    const [earlier] = rows('documents').filter(({ kind }) => kind === 'policy');
    await served((_, save) => save('policy', 'narrow', POLICY('narrow', 'b/**')));
    own.sql((database) => {
      put(database, 'documents', earlier!);
      database.exec(`DELETE FROM document_versions WHERE kind = 'policy' AND version = 2`);
    });
    expect(await problems()).toEqual(['documents: there are 2 rows, the digest is over 2']);
  });

  it('hold the broker when a revoked operator token was put back', async () => {
    const before = rows('operator_tokens');
    await served(async ({ parts }) => {
      const operator = (await parts.tokens.find(token, parts.catalog))!;
      await revokeOperatorToken(parts, call(), operator, {
        operator: operator.operator.name,
        id: operator.operator.tokenId,
      });
    });
    own.sql((database) => before.forEach((row) => put(database, 'operator_tokens', row)));
    expect(await problems()).toEqual(['operator_tokens: there are 1 rows, the digest is over 0']);
  });

  it('hold the broker when rows and digests were both replaced by an earlier copy', async () => {
    const digests = rows('state_digests');
    const documents = rows('documents');
    await served((_, save) => save('policy', 'deny-top', POLICY('deny-top', 'top/**')));
    own.sql((database) => {
      database.exec('DELETE FROM documents');
      documents.forEach((row) => put(database, 'documents', row));
      digests.forEach((row) => put(database, 'state_digests', row));
    });
    expect(await problems()).toEqual([
      'documents: the digest in the store is generation 1, the log names 2',
    ]);
  });

  it('hold the broker when the digests were deleted', async () => {
    own.sql((database) => database.exec('DELETE FROM state_digests'));
    expect(await problems()).toContain('documents: its digest is missing');
  });

  it('hold the broker when the digests and the MACs of checkpoints were removed, as if they had never been made', async () => {
    own.sql((database) => {
      database.exec('DELETE FROM state_digests');
      database.exec('UPDATE log_checkpoints SET state = NULL');
      put(database, 'credentials', { ...credentialRow('cred_1'), state: 'revoking' });
    });
    expect(await problems()).toContain('documents: its digest is missing');
  });

  it('hold the broker when a credential was made up, and name it', async () => {
    own.sql((database) => put(database, 'credentials', { ...credentialRow('cred_1') }));
    expect(await problems()).toEqual(['credentials: credentials cred_1 has no valid MAC']);
  });

  it('are accepted by a release, which says what it accepts and records it', async () => {
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
    own.sql((database) => put(database, 'credentials', { ...credentialRow('cred_1') }));
    await expect(release()).rejects.toMatchObject({ code: 'ERR_HELD' });
  });

  it('do not bring an ended session back', async () => {
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
      const times = { createdAt: Date.now(), endsAt: Date.now() + 600_000 };
      const session = { kind: 'workload', id, workload, clusterUid: 'doc_1', ...times } as const;
      await store.commit({ writes: [{ table: 'sessions', put: sessions.seal(session, hash) }] });
      expect(await sessions.find(text)).toBeDefined();
      ended = [...(await store.list('sessions', { limit: 10 }))];
      await store.commit({ writes: removeSessions(parts, [id]), narrows: [`session:${id}`] });
      sessionToken = text;
    });
    own.sql((database) => ended.forEach((row) => put(database, 'sessions', row)));
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
    keyring.seal();
    const removal = store.commit({ writes: [{ table: 'operator_tokens', remove: { id } }] });
    const other = store.commit({ writes: [{ table: 'claims', remove: { name: 'nobody' } }] });
    await expect(removal).rejects.toMatchObject({ code: 'ERR_SEALED' });
    expect(await other).toMatchObject({ status: 'committed' });
    expect(broker.unready()).not.toContain('ERR_HELD');
    await broker.close('test');
  });
});
