import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Tables } from '../../src/ports/tables.ts';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { itemsOf, RunningApi, type Answered } from '../kit/api/running-api.ts';
import { storedEntries } from '../kit/store/store-diff.ts';

type VersionRow = Tables['secret_versions'];
type Change = (row: VersionRow, other: VersionRow) => Partial<VersionRow>;

let api: RunningApi;
let token: string;
let count = 0;
beforeAll(async () => {
  const umask = process.umask(0);
  try {
    api = await RunningApi.start();
  } finally {
    process.umask(umask);
  }
  await api.seed();
  token = await api.logIn();
});
afterAll(() => api.stop());

const read = (path: string): Promise<Answered> =>
  api.call('GET', `/api/v1/secrets/${path}`, { token });

async function write(value: string): Promise<string> {
  count += 1;
  const path = `app/s-${count}`;
  const body = { data: { v: value } };
  const { status } = await api.call('PUT', `/api/v1/secrets/${path}`, { token, body });
  expect(status).toBe(200);
  return path;
}

async function rowOf(path: string): Promise<VersionRow> {
  const { store } = api.broker.parts;
  const head = await store.get('secrets', { path });
  return (await store.get('secret_versions', { secret_id: head!.id, version: 1 }))!;
}

/** A secret that was never read, whose row a writer to the database changed. */
async function tampered(change: Change): Promise<string> {
  const other = await rowOf(await write('canary-other'));
  const path = await write('canary-value');
  const row = await rowOf(path);
  const put = { ...row, ...change(row, other) };
  await api.broker.parts.store.commit({ writes: [{ table: 'secret_versions', put }] });
  return path;
}

const flipped = (bytes: Uint8Array | null, at: number): Uint8Array => {
  const changed = Buffer.from(bytes!);
  changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
  return changed;
};

const CHANGES: readonly (readonly [string, Change])[] = [
  ['of an unknown root key', () => ({ root_key_id: 'rk_unknown' })],
  ['of a root key that is a path', () => ({ root_key_id: '../../x' })],
  ['of another format', ({ ciphertext }) => ({ ciphertext: flipped(ciphertext, 0) })],
  ['whose data key is of another format', (row) => ({ wrapped_dek: flipped(row.wrapped_dek, 0) })],
  ['with a changed byte', (row) => ({ ciphertext: flipped(row.ciphertext, 20) })],
  ['with a changed data key', (row) => ({ wrapped_dek: flipped(row.wrapped_dek, 20) })],
  ['with half a tag', (row) => ({ ciphertext: row.ciphertext!.subarray(0, -8) })],
  ['with no bytes', () => ({ ciphertext: new Uint8Array() })],
  ['in the clear', () => ({ ciphertext: Buffer.from('{"v":"planted"}') })],
  ['of another secret', (_row, { ciphertext, wrapped_dek }) => ({ ciphertext, wrapped_dek })],
];

describe('a modified stored value', () => {
  it.each(CHANGES)(
    'causes an error and an entry, and no value is released: %s (C05)',
    async (_what, change) => {
      const path = await tampered(change);
      await expectDenied(api, {
        status: 500,
        code: 'ERR_CIPHERTEXT_INVALID',
        outcome: 'error',
        unechoed: ['canary', 'planted', path, 'rk_', '../'],
        send: () => read(path),
      });
      expect(api.logged.join('')).not.toMatch(/canary|planted/);
    },
  );

  it('fails one item of a batch and does not affect the others (C05)', async () => {
    const [good, bad] = [await write('good'), await tampered(() => ({ root_key_id: 'x' }))];
    const body = { items: [{ path: bad }, { path: good }] };
    const answer = await api.call('POST', '/api/v1/secrets:batch', { token, body });
    expect(itemsOf(answer).map((item) => [item.error?.code, item['data']])).toEqual([
      ['ERR_CIPHERTEXT_INVALID', undefined],
      [undefined, { v: 'good' }],
    ]);
    const entries = (await storedEntries(api.broker.parts.store)).filter(
      ({ requestId }) => requestId === answer.headers['x-request-id'],
    );
    expect(entries.map(({ outcome }) => outcome)).toEqual(['error', 'ok']);
  });
});

describe('a broker that was started under umask 000', () => {
  it('keeps all its files private (C08)', async () => {
    await read(await write('v'));
    const found: string[] = [];
    for (const folder of ['store', 'keys']) {
      const path = join(api.directory, folder);
      expect((await stat(path)).mode & 0o777).toBe(0o700);
      for (const name of await readdir(path)) {
        // The next checkpoint replaces the last one by rename at any moment.
        if (name.startsWith('checkpoint.part')) continue;
        found.push(name);
        expect([name, (await stat(join(path, name))).mode & 0o777]).toEqual([name, 0o600]);
      }
    }
    expect(found.length).toBeGreaterThanOrEqual(5);
  });
});
