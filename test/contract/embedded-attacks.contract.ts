import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Tables } from '../../src/ports/tables.ts';
import { NOT_DELETED } from '../../src/providers/embedded/secrets/rows.ts';
import {
  CONTEXT,
  openEmbedded,
  type Embedded,
  type MakeStore,
} from '../kit/providers/embedded-fixture.ts';

const refused = expect.objectContaining({ code: 'ERR_CIPHERTEXT_INVALID' });
type VersionRow = Tables['secret_versions'];

/** Attacks by a writer to the database who has no root key. */
export function embeddedAttacksContract(store: string, makeStore: MakeStore): void {
  describe(`a modified store, on ${store}`, () => {
    let embedded: Embedded;
    const head = async (path: string): Promise<Tables['secrets']> =>
      (await embedded.store.get('secrets', { path }))!;
    const version = async (path: string, number: number): Promise<VersionRow> =>
      (await embedded.store.get('secret_versions', {
        secret_id: (await head(path)).id,
        version: number,
      }))!;
    const putHead = (row: Tables['secrets']): Promise<void> =>
      embedded.tamper({ table: 'secrets', put: row });
    const putVersion = (row: VersionRow): Promise<void> =>
      embedded.tamper({ table: 'secret_versions', put: row });

    beforeEach(async () => {
      embedded = await openEmbedded(makeStore);
      await embedded.put('app/low', { v: 'low-1' });
      await embedded.put('app/low', { v: 'low-2' });
      await embedded.put('app/high', { v: 'high-1' });
    });
    afterEach(() => embedded.close());

    it('does not open a version moved to the number of another', async () => {
      const first = await version('app/low', 1);
      await putVersion({ ...first, version: 2 });
      await expect(embedded.value('app/low')).rejects.toEqual(refused);
    });

    it('does not open a version moved to another secret', async () => {
      const high = await version('app/high', 1);
      await putVersion({ ...high, secret_id: (await head('app/low')).id, version: 2 });
      await expect(embedded.value('app/low')).rejects.toEqual(refused);
    });

    it('does not follow a head moved to another path', async () => {
      const high = await head('app/high');
      await embedded.tamper({ table: 'secrets', remove: { path: 'app/high' } });
      await putHead({ ...high, path: 'app/mine' });
      await expect(embedded.value('app/mine')).rejects.toEqual(refused);
      await expect(embedded.provider.list('', { limit: 10 }, CONTEXT)).rejects.toEqual(refused);
    });

    it("does not follow a head that points to another secret's versions", async () => {
      const { id } = await head('app/high');
      await embedded.tamper({ table: 'secrets', remove: { path: 'app/high' } });
      await putHead({ ...(await head('app/low')), id });
      await expect(embedded.value('app/low')).rejects.toEqual(refused);
    });

    it('does not follow a head that points to an older version', async () => {
      await putHead({ ...(await head('app/low')), current_version: 1 });
      await expect(embedded.value('app/low')).rejects.toEqual(refused);
    });

    it('does not accept an inserted head', async () => {
      const { mac } = await head('app/low');
      await putHead({
        path: 'app/new',
        id: 'sec_x',
        last_version: 1,
        current_version: 1,
        ...NOT_DELETED,
        updated_at: 1,
        mac,
      });
      await expect(embedded.value('app/new')).rejects.toEqual(refused);
      await expect(embedded.put('app/new', { v: 'x' })).rejects.toEqual(refused);
    });

    it('detects a head restored to its state before a later write', async () => {
      const before = await head('app/low');
      await embedded.put('app/low', { v: 'low-3' });
      await putHead(before);
      await expect(embedded.value('app/low')).rejects.toEqual(refused);
      await expect(embedded.put('app/low', { v: 'low-4' })).rejects.toEqual(refused);
      await expect(embedded.writes.destroy('app/low', undefined, undefined)).rejects.toEqual(
        refused,
      );
    });

    it('does not restore a deleted secret from its old head', async () => {
      const before = await head('app/low');
      await embedded.commit(embedded.writes.destroy('app/low', undefined, undefined));
      await putHead(before);
      await expect(embedded.value('app/low')).rejects.toEqual(refused);
    });

    it('does not open a value under the data key of another version', async () => {
      const [first, second] = [await version('app/low', 1), await version('app/low', 2)];
      await putVersion({ ...second, wrapped_dek: first.wrapped_dek });
      await expect(embedded.value('app/low')).rejects.toEqual(refused);
      await putVersion({ ...second, ciphertext: first.ciphertext });
      await expect(embedded.value('app/low')).rejects.toEqual(refused);
    });

    it('does not open a value with an unknown or different root key (C05)', async () => {
      const row = await version('app/low', 2);
      for (const root_key_id of ['rk_unknown', '../../x', '']) {
        await putVersion({ ...row, root_key_id });
        await expect(embedded.value('app/low')).rejects.toEqual(refused);
      }
    });

    it('reports a removed current version', async () => {
      const row = await version('app/low', 2);
      await embedded.tamper({
        table: 'secret_versions',
        remove: { secret_id: row.secret_id, version: 2 },
      });
      await expect(embedded.value('app/low')).rejects.toEqual(refused);
    });

    it('returns no version that the head does not contain, and refuses the secret that has one', async () => {
      await putVersion({ ...(await version('app/low', 2)), version: 3 });
      await expect(embedded.value('app/low', '3')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
      await expect(embedded.value('app/low')).rejects.toEqual(refused);
    });

    it.each(['wrapped_dek', 'ciphertext'] as const)(
      'opens no %s with any byte of it flipped or cut off (C05)',
      async (column) => {
        const row = await version('app/low', 2);
        const good = Buffer.from(row[column]!);
        for (let at = 0; at < good.length; at++) {
          const flipped = Buffer.from(good);
          flipped.writeUInt8(flipped.readUInt8(at) ^ 1, at);
          await putVersion({ ...row, [column]: flipped });
          await expect(embedded.value('app/low')).rejects.toEqual(refused);
        }
        for (const cut of [0, 1, 4, 8, 12, 16]) {
          await putVersion({ ...row, [column]: good.subarray(0, cut) });
          await expect(embedded.value('app/low')).rejects.toEqual(refused);
        }
        await putVersion(row);
        expect(await embedded.value('app/low')).toEqual({ v: 'low-2' });
      },
    );

    it('opens nothing of another installation that has the same root key', async () => {
      const { openEmbedded } = await import('../../src/providers/embedded/open.ts');
      const { store, keyring, clock } = embedded;
      const other = openEmbedded({
        store,
        keyring,
        clock,
        installation: 'in_other',
      }).provider.mount({
        prefix: 'app',
      });
      await expect(other.read('app/low', undefined, CONTEXT)).rejects.toEqual(refused);
    });
  });
}
