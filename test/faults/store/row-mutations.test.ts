import { afterAll, beforeAll, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import { cpSync, rmSync } from 'node:fs';
import { setImmediate as loopTurn } from 'node:timers/promises';
import { Compactor } from '../../../src/audit/upkeep/compactor.ts';
import { attestationId } from '../../../src/features/attestations/attestation-memory.ts';
import { EnrolledClusters } from '../../../src/broker/state/enrolled-clusters.ts';
import { evidenceRow, type EvidenceFacts } from '../../../src/features/posture/evidence-rows.ts';
import { SystemActor } from '../../../src/broker/recording/record.ts';
import { systemClock } from '../../../src/process/clock.ts';
import type { RunningBroker } from '../../../src/program/broker/broker.ts';
import { sha256Hex } from '../../../src/crypto/hashes/digest.ts';
import { authenticateKey, type SecurityKey } from '../../../src/broker/state/security-key-rows.ts';
import type { Approval } from '../../../src/domain/identity/approval.ts';
import type { Quarantine } from '../../../src/domain/identity/quarantine.ts';
import { newToken } from '../../../src/crypto/random/token.ts';
import type { Session } from '../../../src/domain/identity/principal.ts';
import { BrokerError } from '../../../src/domain/errors.ts';
import type { TableName } from '../../../src/ports/store.ts';
import { DIGESTED, TABLES_WITH_MAC } from '../../../src/store/guard/guarded-tables.ts';
import { storeClaims } from '../../../src/store/claims.ts';
import { SCHEMA, shapeOf } from '../../../src/ports/tables.ts';
import { openEmbedded } from '../../../src/providers/embedded/open.ts';
import { ImageSigner } from '../../kit/images/image-signer.ts';
import { AttackedInstallation, type Row } from '../../kit/log/attacked-installation.ts';
import { fillInstallation } from '../../kit/store/filled-installation.ts';
import { listRows } from '../../kit/store/table-rows.ts';
import { allRows } from '../../../src/ports/queries.ts';

type Mutation = (database: Database.Database, table: TableName) => boolean;

let own: AttackedInstallation;

/** A store with rows of all kinds, and an earlier copy of it whose rows can be restored. */
beforeAll(async () => {
  own = await AttackedInstallation.make();
  await fillInstallation(own);
  own.copyStore('earlier');
  await own.init();
  await addRows();
  own.copyStore('good');
  cpSync(own.at('keys'), own.at('good-keys'), { recursive: true });
});
afterAll(() => own.remove());

/** Changes a row of each kind that the broker protects, so that an earlier copy can be restored. */
async function addRows(): Promise<void> {
  const broker = await own.open();
  const { parts } = broker;
  const { store, clock, keyring, installation } = parts;
  const { writes } = openEmbedded({ store, clock, keyring, installation }).provider.mount({
    prefix: 'app',
  });
  const { fragment } = await writes!.put('app/one', { password: 'next' }, undefined, {
    author: 'test',
    method: 'put',
  });
  await store.commit(fragment);
  const schedule = (await listRows(store, 'rotation_schedules', { limit: 1 }))[0]!;
  await store.commit({
    writes: [
      { table: 'leases', key: { id: 'lea_live' }, change: { ends_at: 2_000 } },
      { table: 'rotations', key: { id: 'rot_1' }, change: { attempts: 4 } },
      { table: 'rotation_schedules', key: { path: schedule.path }, change: { failures: 1 } },
      {
        table: 'ended_sessions',
        put: { id: 'ses_ended', ends_at: 9e12, ends_leases: null, mac: null },
      },
      { table: 'sessions', put: parts.sessions.rowOf(SESSION, parts.sessions.hash(TOKEN)) },
      { table: 'quarantines', put: parts.quarantines.rowOf(QUARANTINE) },
      { table: 'approvals', put: parts.approvals.rowOf(APPROVAL) },
      { table: 'approvals', put: parts.approvals.rowOfRule('test', ['admin']) },
      ...['a', 'b'].map((letter) => ({
        table: 'attestations' as const,
        put: parts.attestations.rowOf(attestationOf(`sha256:${letter.repeat(64)}`)),
      })),
      {
        table: 'alerts',
        put: {
          id: 'alr_1',
          source: 'falco',
          state: 'kept',
          received_at: 1_000,
          body: '{}',
          mac: null,
          namespace: null,
          next_attempt_at: null,
          ended_at: null,
          rotated_at: null,
        },
      },
      { table: 'image_evidence', put: evidenceRow(EVIDENCE, { findings: [] }) },
      { table: 'image_evidence', put: evidenceRow(OTHER_EVIDENCE, { findings: [] }) },
      { table: 'security_keys', put: authenticateKey(parts, SECURITY_KEY) },
      {
        table: 'sink_cursors',
        put: { ...CURSOR, mac: parts.rows.mac('sink_cursors', CURSOR) },
      },
      {
        table: 'secret_metadata',
        put: {
          path: 'app/one',
          version: 1,
          body: '{"owner":"pay"}',
          updated_at: 1_000,
          updated_by: 'alice',
          mac: null,
        },
      },
      {
        table: 'enrolments',
        put: {
          cluster: 'c1',
          ...ENROLLED,
          code: 'b'.repeat(64),
          code_ends_at: 9e12,
          attempts: 0,
          used_by: null,
          sealed: new EnrolledClusters(store, parts).encrypt(ENROLLED, 'header.payload.signature'),
          ends_at: 9e12,
          renew_at: 9e12,
          updated_at: 1_000,
          mac: null,
        },
      },
      {
        table: 'wrapped_answers',
        put: {
          id: 'a'.repeat(64),
          workload: 'k8s://c1/pay/api',
          session_id: 'ses_live',
          session_hash: Buffer.alloc(32, 1),
          path: 'app/one',
          creation_path: 'secret/data/one',
          sealed: Buffer.from('sealed'),
          created_at: 1_000,
          ends_at: 9e12,
          mac: null,
        },
      },
    ],
  });
  await compactLog(broker);
  await broker.close('test');
}

/** Writes enough entries for some segments of the log. */
async function compactLog({ parts: { store }, trail }: RunningBroker): Promise<void> {
  const actor = new SystemActor({ clock: systemClock, digest: sha256Hex }, 'broker');
  for (let commits = 0; commits < 60; commits++) {
    const entry = actor.entry({ action: 'state.digest', outcome: 'ok', cause: 'test' });
    await store.commit({ entries: Array.from({ length: 30 }, () => entry) });
  }
  await trail.integrator.integrate();
  const compactor = new Compactor({
    store,
    reader: trail.reader,
    claims: storeClaims(store, systemClock, { owner: 'test', alone: true }),
    clock: { ...systemClock, sleep: () => loopTurn() },
    isBusy: () => false,
    processorMs: () => 0,
    onProgress: () => undefined,
    onError: (error) => {
      throw error as Error;
    },
  });
  await compactor.run();
  await compactor.close();
}

const CURSOR = { sink: 'file:/tmp/a', next_index: 3 };
const ENROLLED = { cluster_uid: 'doc_c1', api_server: 'a'.repeat(64) };
const TOKEN = newToken('qms');
const SESSION: Session = {
  kind: 'workload',
  id: 'ses_live',
  workload: { cluster: 'c1', namespace: 'pay', serviceAccount: 'api', serviceAccountUid: 'u' },
  source: '10.0.0.1',
  clusterUid: 'doc_1',
  createdAt: 1_000,
  endsAt: 9e12,
};

const QUARANTINE: Quarantine = {
  kind: 'operator',
  subject: 'ed',
  id: 'qua_1',
  reason: 'left the company',
  createdBy: 'test',
  createdAt: 1_000,
  endsAt: undefined,
};

function attestationOf(digest: string) {
  const body = Buffer.from(JSON.stringify(SIGNER.bundle(digest)));
  const made = { createdAt: 1_000, createdBy: 'test', scope: [], isRecognized: true };
  return { ...made, digest, body, id: attestationId(digest, body) };
}

const SIGNER = new ImageSigner();
const EVIDENCE: EvidenceFacts = {
  kind: 'secrets',
  scanner: 'trivy',
  scannerVersion: '0.74.0',
  digests: [`sha256:${'a'.repeat(64)}`],
  config: undefined,
  writer: 'test',
  scope: ['registry.test/prod'],
  reportedAt: 1_000,
  receivedAt: 2_000,
};
const OTHER_EVIDENCE: EvidenceFacts = {
  kind: 'vex',
  scanner: 'acme',
  scannerVersion: '',
  writer: 'other',
  scope: [],
  digests: [`sha256:${'b'.repeat(64)}`],
  config: `sha256:${'c'.repeat(64)}`,
  reportedAt: 3_000,
  receivedAt: 4_000,
};
const SECURITY_KEY: SecurityKey = {
  id: 'key_1',
  person: 'oidc:corp/ed',
  issuerUrl: 'https://login.example.com',
  label: 'laptop',
  credentialId: 'Y3JlZA',
  publicKey: 'a2V5',
  counter: 7,
  createdAt: 1_000,
  usedAt: 2_000,
};

const APPROVAL: Approval = {
  id: 'apr_1',
  state: 'approved',
  requester: 'ed',
  tokenId: 'tok_1',
  minters: [],
  what: {
    elevation: { grant: { role: 'secret-reader', scope: ['app'] }, seconds: 600, reason: 'INC-7' },
  },
  approvedBy: 'test',
  createdAt: 1_000,
  endsAt: 9e12,
};

/** Rows cannot be exchanged one after the other in columns that must be unique. */
const UNIQUE = ['hash', 'idempotency_key', 'id', 'writer', 'first_seq'];

const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(', ');

function rowsOf(
  database: Database.Database,
  table: TableName,
): readonly (Row & { place: number })[] {
  const sql = `SELECT rowid AS place, * FROM "${table}" ORDER BY ${quoted(shapeOf(table).key)}`;
  return database.prepare(sql).all() as (Row & { place: number })[];
}

function flipped(value: unknown): unknown {
  if (typeof value === 'string') return `${value.slice(0, -1)}${value.endsWith('x') ? 'y' : 'x'}`;
  if (typeof value === 'number') return value + 1;
  if (!(value instanceof Uint8Array)) return value;
  const copy = Buffer.from(value);
  copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 1;
  return copy;
}

function replaceRow(database: Database.Database, table: TableName, row: Row): void {
  const names = Object.keys(row).filter((name) => name !== 'place');
  const places = names.map(() => '?').join(', ');
  const sql = `INSERT OR REPLACE INTO "${table}" (${quoted(names)}) VALUES (${places})`;
  database.prepare(sql).run(...names.map((name) => row[name]));
}

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  delete: (database, table) => {
    const row = rowsOf(database, table).at(-1);
    if (row !== undefined)
      database.prepare(`DELETE FROM "${table}" WHERE rowid = ?`).run(row.place);
    return row !== undefined;
  },
  replay: (database, table) => {
    const earlier = new Database(own.at('earlier/quaymaster.db'), { readonly: true });
    const now = new Set(rowsOf(database, table).map((row) => JSON.stringify({ ...row, place: 0 })));
    const changed = rowsOf(earlier, table).filter(
      (row) => !now.has(JSON.stringify({ ...row, place: 0 })),
    );
    earlier.close();
    for (const row of changed) replaceRow(database, table, row);
    return changed.length > 0;
  },
  swap: (database, table) => {
    const [first, second] = rowsOf(database, table);
    if (first === undefined || second === undefined) return false;
    const { key } = shapeOf(table);
    const names = Object.keys(first).filter((name) => name !== 'place' && !key.includes(name));
    const sets = names.filter((name) => !UNIQUE.includes(name));
    if (sets.length === 0) return false;
    const sql = `UPDATE OR IGNORE "${table}" SET ${sets.map((name) => `"${name}" = ?`).join(', ')} WHERE rowid = ?`;
    database.prepare(sql).run(...sets.map((name) => second[name]), first.place);
    database.prepare(sql).run(...sets.map((name) => first[name]), second.place);
    return true;
  },
};

function flip(column: string): Mutation {
  return (database, table) => {
    const row = rowsOf(database, table).findLast((each) => each[column] !== null);
    if (row === undefined) return false;
    database
      .prepare(`UPDATE OR IGNORE "${table}" SET "${column}" = ? WHERE rowid = ?`)
      .run(flipped(row[column]), row.place);
    return true;
  };
}

/** Every column flipped, and the other mutations. */
function mutationsOf(table: TableName): readonly (readonly [name: string, mutate: Mutation])[] {
  const flips = Object.keys(shapeOf(table).columns).map((column) => {
    return [`flip ${column}`, flip(column)] as const;
  });
  return [...flips, ...Object.entries(MUTATIONS)];
}

/** The reason why a mutation that the start does not detect is harmless; by table, with its mutations. */
const HARMLESS: Readonly<Partial<Record<TableName, readonly [mutations: RegExp, why: string]>>> = {
  meta: [
    /^replay$/,
    'an earlier anchor of the log is at most the last checkpoint, which it confirms',
  ],
  root_keys: [/^flip created_at$/, 'the time of a key orders a list, and is shown to people'],
  root_key_wraps: [/^flip created_at$/, 'the time of a wrapping is not shown and decides nothing'],
  document_versions: [
    /./,
    'history for people: its MAC is checked when it is shown, and no decision reads it',
  ],
  leases: [
    /^(delete|replay)$/,
    'a credential is revoked at its own expiry, and no holder without a lease is waited for; see SECURITY.md',
  ],
  secret_versions: [
    /./,
    'a ciphertext is bound to its secret and version, and opens nowhere else; the other columns are shown to people',
  ],
  rotation_steps: [/./, 'history for people: no step is decided by it'],
  acknowledgements: [/./, 'reports of holders are not trusted: see SECURITY.md'],
  claims: [
    /^(delete|replay)$/,
    'grants nothing: a claim that is absent or has expired is taken by the next process',
  ],
  changes: [/./, 'a start reads no earlier changes; while a broker runs, a gap stops its commits'],
  audit_batches: [
    /./,
    'entries are proven against the signed root when they are read, and the log is verified',
  ],
  audit_segments: [
    /^(flip (first_index|count)|swap)$/,
    'says where entries are; each entry found there is proven at its place',
  ],
  log_segments: [/./, 'says where entries are; each entry found there is proven'],
  log_tiles: [
    /^(replay|swap)$/,
    'hashes are recomputed from the entries, which the check of the log reports; lists of search terms are not signed',
  ],
  log_terms: [/./, 'the search index is not signed; see SECURITY.md'],
  log_reads: [
    /./,
    'the read index is not signed, and the check of the log compares it with the entries',
  ],
  device_logins: [/./, 'is a place and the time of a poll; it grants nothing'],
  seen_pods: [/./, 'only helps to find pods that are gone; it grants nothing'],
  log_checkpoints: [/./, 'the checkpoint file and the anchor are compared with the newest'],
  sink_cursors: [/./, 'a foreign cursor is refused when its sink is followed'],
};

async function outcomeOf(table: TableName, mutate: Mutation): Promise<string> {
  own.restoreStore('good');
  rmSync(own.at('keys'), { recursive: true });
  cpSync(own.at('good-keys'), own.at('keys'), { recursive: true });
  const done: boolean[] = [];
  own.sql((database) => void done.push(mutate(database, table)));
  if (!done.includes(true)) return 'no such row';
  try {
    return await outcomeOfStart(table);
  } catch (error) {
    return `does not start: ${BrokerError.from(error).code}`;
  }
}

/** Names the outcome: the broker is held when it starts, or when the rows are read. A session is read by its token. */
async function outcomeOfStart(table: TableName): Promise<string> {
  const broker = await own.open();
  try {
    if (broker.unready().length > 0) return 'held';
    const isRead = await isServed(broker, table).catch(() => false);
    return isRead ? 'served' : `refused when read: ${broker.unready().join()}`;
  } finally {
    await broker.close('test');
  }
}

async function isServed({ parts, trail }: RunningBroker, table: TableName): Promise<boolean> {
  const { store, sessions } = parts;
  if (table === 'sessions') return (await sessions.find(TOKEN)) !== undefined;
  if (table === 'audit_segments') {
    const checkpoint = (await trail.reader.checkpoint())!;
    const { damage } = await trail.reader.some(checkpoint, 0, checkpoint.size);
    return damage.length === 0;
  }
  await store.list(allRows(table), { limit: 100 });
  return true;
}

interface Counts {
  mutations: number;
  detected: number;
  harmless: number;
}

it('serves the store without a mutation', async () => {
  expect(await outcomeOf('meta', () => true)).toBe('served');
});

it('detects each mutation of a stored row, or states why it is harmless', async () => {
  const counts = new Map<TableName, Counts>();
  const unexplained: string[] = [];
  for (const table of Object.keys(SCHEMA) as TableName[]) {
    const [harmless] = HARMLESS[table] ?? [];
    const count = { mutations: 0, detected: 0, harmless: 0 };
    counts.set(table, count);
    for (const [name, mutate] of mutationsOf(table)) {
      const outcome = await outcomeOf(table, mutate);
      if (outcome === 'no such row') continue;
      count.mutations += 1;
      if (outcome !== 'served') count.detected += 1;
      else if (harmless?.test(name) === true) count.harmless += 1;
      else unexplained.push(`${table}: ${name}`);
    }
  }
  const lines = [...counts].map(([table, count]) => `${table} ${JSON.stringify(count)}`);
  process.stdout.write(`mutations of stored rows:\n${lines.join('\n')}\n`);
  expect(unexplained).toEqual([]);
  for (const table of GUARDED) {
    expect([table, (counts.get(table)?.detected ?? 0) > 2]).toEqual([table, true]);
  }
}, 600_000);

/** Each of these has rows to change. */
const GUARDED = [...TABLES_WITH_MAC, ...DIGESTED];
