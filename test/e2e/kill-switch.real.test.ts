import { open, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import {
  createDatabase,
  startPostgres,
  type Postgres,
  type TestDatabase,
} from '../kit/backends/postgres.ts';
import type { Running } from '../kit/backends/footprint.ts';
import { until } from '../kit/backends/until.ts';
import { loadKeys } from '../../src/broker/keys/installation-keys.ts';
import { openWrappers } from '../../src/program/keys/keys.ts';
import { systemClock } from '../../src/process/clock.ts';
import { loadConfig } from '../../src/program/config/load.ts';
import { openStore } from '../../src/store/index.ts';
import { FakeAuditChain } from '../kit/fakes/fake-audit-chain.ts';
import { CommitRecorder } from '../kit/store/commit-order.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';
import type { Answer } from '../kit/broker/installation.ts';

const ROUNDS = Number(process.env['ROUNDS'] ?? 4);
const READERS = 4;

let postgres: Running<Postgres>;
let database: TestDatabase;
let commits: CommitRecorder;
let first: PreparedBroker;
let second: PreparedBroker;
/** The active root key, a key derived from it, and the key-encryption key as bytes and as the text of its file. */
let keys: readonly Buffer[] = [];

const nameOf = (round: number): string => `app-${round}`;
const workloadOf = (round: number): string => `k8s://c1/prod/${nameOf(round)}`;

function post(broker: PreparedBroker, path: string, body: object): Promise<Answer> {
  return broker.installation.call('POST', `/api/v1/${path}`, { token: broker.operator, body });
}

/** Reads until it is refused, and records the request ids of its reads. */
async function hammer(broker: PreparedBroker, token: string, disclosed: string[]): Promise<void> {
  for (;;) {
    const answer = await broker.read(token, 'own/db');
    if (answer.status !== 200) {
      expect(answer.status).toBe(401);
      return;
    }
    disclosed.push(answer.headers.get('x-request-id') ?? '');
  }
}

async function rootKeysOf(broker: PreparedBroker): Promise<readonly Buffer[]> {
  const config = await loadConfig(broker.installation.file('config.yaml'));
  const store = await openStore(config.store, {
    chain: new FakeAuditChain(),
    clock: systemClock,
    mode: config.mode,
  });
  try {
    const { keyring } = await loadKeys(store, await openWrappers(config, systemClock));
    const kek = await readFile(broker.installation.file('keys/kek'), 'utf8');
    const root = keyring.active;
    const text = Buffer.from(kek.trim().split('\n').at(-1) ?? '');
    const kekBytes = Buffer.from(text.toString(), 'base64');
    expect(kekBytes).toHaveLength(32);
    return [root.exportMaterial(), root.keyFor('rowMac').export(), kekBytes, text];
  } finally {
    await store.close();
  }
}

/** Bytes that are read at once. Most of the writable memory was never touched and is zero: searching it costs 15 times as much as comparing it. */
const CHUNK_BYTES = 1024 * 1024;

/** The number of occurrences of some bytes in the writable memory of a process. One at the border of two chunks may count twice. */
async function occurrences(pid: number, needles: readonly Buffer[]): Promise<readonly number[]> {
  const maps = await readFile(`/proc/${pid}/maps`, 'utf8');
  const memory = await open(`/proc/${pid}/mem`);
  const counts = needles.map(() => 0);
  // Chunks overlap, so that each occurrence is whole in one.
  const overlap = Math.max(...needles.map(({ length }) => length - 1));
  const chunk = Buffer.alloc(CHUNK_BYTES + overlap);
  const zeros = Buffer.alloc(chunk.length);
  try {
    for (const [, from = '', to = ''] of maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw/gm)) {
      const end = Number.parseInt(to, 16);
      for (let start = Number.parseInt(from, 16); start < end; start += CHUNK_BYTES) {
        const length = Math.min(chunk.length, end - start);
        const read = await memory.read(chunk, 0, length, start).catch(() => undefined);
        const bytes = chunk.subarray(0, read?.bytesRead ?? 0);
        if (bytes.equals(zeros.subarray(0, bytes.length))) continue;
        needles.forEach((needle, n) => {
          for (let at = bytes.indexOf(needle); at !== -1; at = bytes.indexOf(needle, at + 1)) {
            counts[n] = (counts[n] ?? 0) + 1;
          }
        });
      }
    }
  } finally {
    await memory.close();
  }
  return counts;
}

describeWith(['postgres'], 'two brokers on one PostgreSQL, and a responder', () => {
  beforeAll(async () => {
    postgres = await startPostgres({ settings: { track_commit_timestamp: 'on' } });
    database = await createDatabase(postgres);
    commits = await CommitRecorder.start(database.connectionString);
    first = await PreparedBroker.start({
      files: { dsn: database.connectionString },
      config: (directory) => ({
        store: { type: 'postgres', connectionStringFile: `${directory}/dsn` },
      }),
      secrets: { 'own/db': { password: 'hunter2' } },
    });
    second = await first.replica();
    await second.installation.start();
    keys = await rootKeysOf(first);
  });
  afterAll(async () => {
    await (second as PreparedBroker | undefined)?.remove();
    await (first as PreparedBroker | undefined)?.remove();
    await commits.stop();
    await postgres.stop();
  });

  it('disclose nothing to a workload after the other one committed its quarantine (L21)', async () => {
    const disclosed: string[][] = [];
    const made: string[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const [here, there] = round % 2 === 0 ? [first, second] : [second, first];
      const token = await there.logIn({ serviceAccount: nameOf(round) });
      const seen: string[] = [];
      const reading = Array.from({ length: READERS }, () => hammer(there, token, seen));
      await until('it is read', () => Promise.resolve(seen.length > 10 * READERS));
      const wish = { kind: 'workload', workload: workloadOf(round), reason: 'INC-7' };
      const answer = await post(here, 'quarantines', wish);
      expect(answer).toMatchObject({ status: 200, json: { ended: { sessions: 1 } } });
      made.push(answer.headers.get('x-request-id') ?? '');
      await Promise.all(reading);
      disclosed.push(seen);
      for (const broker of [here, there]) {
        const login = broker.logIn({ serviceAccount: nameOf(round) });
        await expect(login).rejects.toThrow('ERR_DENIED');
      }
    }
    const log = await commits.read();
    const committedAt = (request: string): number =>
      log.find(({ requestId }) => requestId === request)?.committedAt ?? Number.NaN;
    for (const [round, requests] of disclosed.entries()) {
      const quarantined = committedAt(made[round] ?? '');
      const late = requests.filter((request) => !(committedAt(request) < quarantined));
      expect(late).toEqual([]);
    }
  });

  it('keep a quarantine through a restart, until it is lifted at the other one', async () => {
    await second.installation.stop();
    await second.installation.start();
    const login = (): Promise<string> => second.logIn({ serviceAccount: nameOf(0) });
    await expect(login()).rejects.toThrow('ERR_DENIED');
    const listed = await second.installation.call('GET', '/api/v1/quarantines', {
      token: second.operator,
    });
    const items = listed.json['items'] as { readonly id: string; readonly subject: string }[];
    expect(items).toHaveLength(ROUNDS);
    const id = items.find(({ subject }) => subject === workloadOf(0))?.id ?? '';
    const lifted = await first.installation.call(
      'DELETE',
      `/api/v1/quarantines/${id}?reason=over`,
      {
        token: first.operator,
      },
    );
    expect(lifted.status).toBe(204);
    await until('the other one knows', () =>
      login().then(
        () => true,
        () => false,
      ),
    );
  });

  it('refuse an operator whom the other one quarantined', async () => {
    await first.create('/operators/eve', { grants: [{ role: 'auditor' }] });
    const made = await post(first, 'operators/eve/tokens', { ttl: '1h' });
    const token = String(made.json['token']);
    const own = (): Promise<Answer> =>
      second.installation.call('GET', '/api/v1/operator-tokens/self', { token });
    await until('the other one knows him', async () => (await own()).status === 200);
    await post(first, 'quarantines', { kind: 'operator', operator: 'eve', reason: 'INC-7' });
    await until('the other one knows', async () => (await own()).status === 401);
  });

  it('are both sealed by one request, and hold no root key in their memory afterwards (L26)', async () => {
    const processes = [first, second].map(({ installation }) => installation.pid);
    for (const pid of processes) {
      const [root = 0] = await occurrences(pid, keys);
      expect(root).toBeGreaterThan(0);
    }
    const token = await second.logIn({ serviceAccount: 'sealed' });
    expect((await second.read(token, 'own/db')).status).toBe(200);
    const sealed = await post(first, 'seal', { reason: 'INC-9' });
    expect(sealed).toMatchObject({ status: 200, json: { sealed: true } });
    for (const broker of [first, second]) {
      const read = await broker.read(token, 'own/db');
      await until('it is sealed', async () => {
        const answer = await broker.read(token, 'own/db');
        return answer.json['code'] === 'ERR_SEALED';
      });
      expect(read.status).not.toBe(200);
      const ready = await broker.installation.call('GET', '/readyz');
      expect(ready).toMatchObject({ status: 503, json: { reasons: ['ERR_SEALED'] } });
      expect((await broker.installation.call('GET', '/healthz')).status).toBe(200);
    }
    for (const pid of processes) {
      await until('its keys are wiped', async () => {
        const counts = await occurrences(pid, keys);
        return counts.every((count) => count === 0);
      });
    }
    const log = await commits.read();
    const at = log.find(({ action }) => action === 'broker.seal')?.committedAt ?? 0;
    const late = log.filter(
      ({ action, outcome, committedAt }) =>
        action === 'secret.read' && outcome === 'ok' && committedAt > at,
    );
    expect(late).toEqual([]);
  });

  it('serve again when they are started again', async () => {
    await first.installation.stop();
    await first.installation.start();
    const token = await first.logIn({ serviceAccount: 'sealed' });
    expect((await first.read(token, 'own/db')).status).toBe(200);
    await second.installation.stop();
    await second.installation.start();
    expect(await first.verifiedLog()).toContain('verified: ');
  });
});
