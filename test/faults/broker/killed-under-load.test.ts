import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../../backends/until.ts';
import { Furnished } from '../../e2e/furnished.ts';
import { History } from '../../support/history.ts';
import type { StoredEntry } from '../../support/store-diff.ts';
import { integrityOf, storedLog } from '../../support/stored-log.ts';

/** `ROUNDS` in the environment asks for more. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 4);
const READERS = 8;
const WRITERS = 4;

let broker: Furnished;
let history: History;

beforeEach(async () => {
  broker = await Furnished.start();
  history = new History();
  for (let n = 0; n < WRITERS; n += 1) await write(`own/p${n}`, 'first', { 'if-none-match': '*' });
}, 30_000);
afterEach(() => broker.remove());

async function write(
  path: string,
  value: string,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const asked = { kind: 'write', path, session: 'operator', value } as const;
  await history.run(asked, () =>
    broker.installation.call('PUT', `/api/v1/secrets/${path}`, {
      token: broker.operator,
      body: { data: { value } },
      headers,
    }),
  );
}

/** One writer a path, so that what was acknowledged last is known. */
async function writeOn(path: string, round: number, isOver: () => boolean): Promise<void> {
  const session = await broker.logIn({ pod: 'writer' }).catch(() => '');
  for (let n = 0; !isOver(); n += 1) {
    const current = await broker.read(session, path).catch(() => undefined);
    const etag = current === undefined ? undefined : etagOf(current.json['version']);
    if (etag === undefined) return;
    await write(path, `${round}-${n}`, { 'if-match': etag });
  }
}

function etagOf(version: unknown): string | undefined {
  return typeof version === 'string' ? `"${version}"` : undefined;
}

/** Logs in, reads, logs out, and tries once more with the session that ended. */
async function readOn(name: string, isOver: () => boolean): Promise<void> {
  for (let n = 0; !isOver(); n += 1) {
    const token = await broker.logIn({ pod: name }).catch(() => undefined);
    if (token === undefined) return;
    const session = `${name}-${n}`;
    const read = (at: number) => {
      const path = `own/p${at % WRITERS}`;
      const asked = { kind: 'read', path, session, value: undefined } as const;
      return history.run(asked, () => broker.read(token, path));
    };
    for (let at = 0; at < 12; at += 1) await read(at);
    const asked = { kind: 'logOut', path: '', session, value: undefined } as const;
    await history.run(asked, () =>
      broker.installation.call('DELETE', '/api/v1/sessions/self', { token }),
    );
    await read(0);
  }
}

async function lastValues(): Promise<ReadonlyMap<string, string>> {
  const last = new Map<string, string>();
  const session = await broker.logIn({ pod: 'last' });
  for (let n = 0; n < WRITERS; n += 1) {
    const { json } = await broker.read(session, `own/p${n}`);
    last.set(`own/p${n}`, (json['data'] as { readonly value: string }).value);
  }
  return last;
}

describe('F24, F29: a broker killed under load', () => {
  it(
    'recorded all that it disclosed, kept all that it acknowledged, and its log holds (I1, I3, I7, I9, I10)',
    async () => {
      for (let round = 0; round < ROUNDS; round += 1) {
        const state = { over: false };
        const isOver = (): boolean => state.over;
        const load = [
          ...Array.from({ length: READERS }, (_, n) => readOn(`r${round}-${n}`, isOver)),
          ...Array.from({ length: WRITERS }, (_, n) => writeOn(`own/p${n}`, round, isOver)),
        ];
        await pause(300 + ((round * 377) % 700));
        await broker.installation.stop('SIGKILL');
        state.over = true;
        await Promise.all(load);
        await broker.installation.start();
      }
      const last = await lastValues();
      const report = await broker.verifiedLog();
      expect(report).toContain('the log holds');
      expect(report).toContain('anchored');
      const path = broker.installation.file('store/quaymaster.db');
      const entries = storedLog(path);
      expect(history.violations(entries, last)).toEqual([]);
      expect(integrityOf(path)).toBe('ok');
      expect(entries.filter(({ action }) => action === 'recovery')).toHaveLength(ROUNDS);
      expect(history.count('ok')).toBeGreaterThan(ROUNDS * 50);
      expect(history.count('unknown')).toBeGreaterThan(0);
    },
    60_000 + ROUNDS * 10_000,
  );

  it('has its sink whole after the next start: every entry, and no line torn', async () => {
    const session = await broker.logIn();
    let answered = 0;
    const reads = Array.from({ length: 20 }, async () => {
      for (;;) {
        await broker.read(session, 'own/p0');
        answered += 1;
        if (answered === 300) broker.installation.signal('SIGKILL');
      }
    });
    await Promise.allSettled(reads);
    await broker.installation.start();
    const sink = (): Promise<string> => readFile(broker.installation.file('audit.jsonl'), 'utf8');
    // It follows the tree, where this entry comes after all of the boot that was killed.
    await until('the sink caught up', async () => (await sink()).includes('"action":"recovery"'));
    expect(await broker.installation.stop()).toBe(0);
    const lines = (await sink()).trimEnd().split('\n');
    const delivered = lines.map((line) => JSON.parse(line) as StoredEntry);
    const places = new Set(delivered.map(placeOf));
    const entries = storedLog(broker.installation.file('store/quaymaster.db'));
    const killed = entries.find(({ action }) => action === 'secret.read')?.['writer'];
    const ofKilled = entries.filter(({ writer }) => writer === killed);
    expect(ofKilled.filter((entry) => !places.has(placeOf(entry)))).toEqual([]);
    expect(ofKilled.length).toBeGreaterThan(300);
  }, 30_000);
});

function placeOf({ writer, seq }: StoredEntry): string {
  return `${String(writer)} ${String(seq)}`;
}
