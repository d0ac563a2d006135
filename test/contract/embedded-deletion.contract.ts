import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { StagedWrite } from '../../src/ports/secret-provider.ts';
import { openEmbedded, type Embedded, type MakeStore } from '../kit/providers/embedded-fixture.ts';
import { openEmbedded as openBackend } from '../../src/providers/embedded/open.ts';

const code = (name: string): object => expect.objectContaining({ code: name });
const ABSENT = code('ERR_NOT_FOUND');
const DAY_MS = 86_400_000;

/** Deletion, its window, and the metadata of versions, on every store. */
export function embeddedDeletionContract(store: string, makeStore: MakeStore): void {
  describe(`a deleted secret in the embedded store, on ${store}`, () => {
    let embedded: Embedded;

    beforeEach(async () => {
      embedded = await openEmbedded(makeStore, { keepVersions: 3 });
      for (const v of ['one', 'two']) await embedded.put('app/db', { v });
    });
    afterEach(() => embedded.close());

    const remove = async (path = 'app/db'): Promise<StagedWrite> => {
      const staged = await embedded.writes.delete(path, undefined);
      await commit(staged);
      return staged;
    };
    const restore = async (version?: string): Promise<string | undefined> => {
      const staged = await embedded.writes.undelete('app/db', version);
      await commit(staged);
      return staged.version;
    };
    const commit = async ({ fragment }: Pick<StagedWrite, 'fragment'>): Promise<void> => {
      expect((await embedded.store.commit(fragment)).status).toBe('committed');
    };
    /** Commits what the sweep finds, and returns the paths with the number of destroyed versions. */
    const sweep = async (): Promise<readonly (readonly [string, number])[]> => {
      const { keyring, clock } = embedded;
      const parts = { store: embedded.store, keyring, clock, installation: 'in_test' };
      const overdue = (await openBackend(parts).provider.overdueDeletions?.(10)) ?? [];
      for (const each of overdue) await commit(each);
      return overdue.map(({ path, count }) => [path, count] as const);
    };
    const states = async (): Promise<readonly string[]> =>
      (await embedded.writes.versions('app/db')).map(({ state }) => state);
    const keys = async (): Promise<number> => {
      const rows = (await embedded.rows('secret_versions')) as readonly { wrapped_dek: unknown }[];
      return rows.filter(({ wrapped_dek }) => wrapped_dek !== null).length;
    };

    it('is absent with all its versions, and keeps their data keys', async () => {
      await remove();
      await expect(embedded.value('app/db')).rejects.toEqual(ABSENT);
      await expect(embedded.value('app/db', '1')).rejects.toEqual(ABSENT);
      await expect(embedded.writes.delete('app/db', undefined)).rejects.toEqual(ABSENT);
      expect(await embedded.provider.list('', { limit: 10 }, undefined as never)).toEqual({
        items: [],
      });
      expect(await states()).toEqual(['deleted', 'deleted']);
      expect(await keys()).toBe(2);
    });

    it('is listed with the time that is left, until it is restored or its window ends', async () => {
      const listed = async (limit = 10, after?: string) =>
        embedded.provider.listDeleted!('', { limit, after }, undefined as never);
      const destroyAt = embedded.clock.now() + 7 * DAY_MS;
      expect((await listed()).items).toEqual([]);
      await embedded.put('app/other', { v: 'one' });
      await embedded.put('app/stays', { v: 'one' });
      await remove();
      await remove('app/other');
      expect((await listed()).items).toEqual([
        { name: 'db', version: '2', destroyAt },
        { name: 'other', version: '1', destroyAt },
      ]);
      const { items, next } = await listed(1);
      expect(items.map(({ name }) => name)).toEqual(['db']);
      expect((await listed(1, next)).items.map(({ name }) => name)).toEqual(['other']);
      await restore();
      expect((await listed()).items.map(({ name }) => name)).toEqual(['other']);
      embedded.clock.advance(7 * DAY_MS);
      expect((await listed()).items).toEqual([]);
    });

    it('is restored with the version that was current, or with another one', async () => {
      await remove();
      expect(await restore()).toBe('2');
      expect(await embedded.value('app/db')).toEqual({ v: 'two' });
      await remove();
      expect(await restore('1')).toBe('1');
      expect(await embedded.value('app/db')).toEqual({ v: 'one' });
      expect(await embedded.value('app/db', '2')).toEqual({ v: 'two' });
      expect(await embedded.put('app/db', { v: 'three' })).toBe('3');
    });

    it('is restored once: a second undelete changes nothing, and another version is a conflict', async () => {
      await remove();
      await restore();
      const again = await embedded.writes.undelete('app/db', undefined);
      expect(again.version).toBe('2');
      expect(again.fragment.writes).toEqual([]);
      await expect(embedded.writes.undelete('app/db', '1')).rejects.toEqual(code('ERR_CONFLICT'));
    });

    it('is not found by undelete if it never existed, is destroyed, or has no such version', async () => {
      await expect(embedded.writes.undelete('app/none', undefined)).rejects.toEqual(ABSENT);
      await remove();
      await expect(embedded.writes.undelete('app/db', '3')).rejects.toEqual(ABSENT);
      await embedded.commit(embedded.writes.destroy('app/db', undefined, undefined));
      await expect(embedded.writes.undelete('app/db', undefined)).rejects.toEqual(ABSENT);
    });

    it('is destroyed by the sweep when its time is over, and not before', async () => {
      await remove();
      embedded.clock.advance(7 * DAY_MS - 1);
      expect(await sweep()).toEqual([]);
      embedded.clock.advance(1);
      await expect(embedded.writes.undelete('app/db', undefined)).rejects.toEqual(ABSENT);
      expect(await sweep()).toEqual([['app/db', 2]]);
      expect(await keys()).toBe(0);
      expect(await states()).toEqual(['destroyed', 'destroyed']);
      expect(await sweep()).toEqual([]);
      expect(await embedded.put('app/db', { v: 'new' })).toBe('3');
    });

    it('keeps its older versions deleted if it is written again, until they are restored', async () => {
      await remove();
      expect(await embedded.put('app/db', { v: 'new' }, 'absent')).toBe('3');
      await expect(embedded.value('app/db', '2')).rejects.toEqual(ABSENT);
      expect(await states()).toEqual(['current', 'deleted', 'deleted']);
      await expect(embedded.writes.undelete('app/db', '2')).rejects.toEqual(code('ERR_CONFLICT'));
      expect(await restore()).toBe('3');
      expect(await embedded.value('app/db', '2')).toEqual({ v: 'two' });
    });

    it('keeps a version written after the deletion when the sweep destroys the older ones', async () => {
      await remove();
      embedded.clock.advance(DAY_MS);
      await embedded.put('app/db', { v: 'new' });
      embedded.clock.advance(6 * DAY_MS);
      expect(await sweep()).toEqual([['app/db', 2]]);
      expect(await embedded.value('app/db')).toEqual({ v: 'new' });
      expect(await states()).toEqual(['current', 'destroyed', 'destroyed']);
    });

    it('counts deleted versions among those that its mount keeps', async () => {
      await remove();
      for (const v of ['a', 'b', 'c']) await embedded.put('app/db', { v });
      expect(await states()).toEqual(['current', 'previous', 'previous', 'destroyed', 'destroyed']);
      expect(await keys()).toBe(3);
      embedded.clock.advance(8 * DAY_MS);
      expect(await sweep()).toEqual([]);
    });

    it('asks for a version if the one that was current is destroyed meanwhile', async () => {
      await remove();
      await embedded.commit(embedded.writes.destroy('app/db', ['2'], undefined));
      await expect(embedded.writes.undelete('app/db', undefined)).rejects.toEqual(
        code('ERR_CONFLICT'),
      );
      expect(await restore('1')).toBe('1');
    });

    it('has one window after two deletions, and the later end counts', async () => {
      await remove();
      embedded.clock.advance(DAY_MS);
      await embedded.put('app/db', { v: 'three' });
      await remove();
      embedded.clock.advance(6 * DAY_MS);
      expect(await sweep()).toEqual([]);
      expect(await restore()).toBe('3');
      expect(await embedded.value('app/db', '1')).toEqual({ v: 'one' });
    });

    it('lets one of a restoration and a destruction commit', async () => {
      await remove();
      const one = await embedded.writes.undelete('app/db', undefined);
      const other = await embedded.writes.destroy('app/db', undefined, undefined);
      const outcomes = await Promise.all(
        [one, other].map(({ fragment }) => embedded.store.commit(fragment)),
      );
      expect(outcomes.map(({ status }) => status)).toEqual(['committed', 'conflict']);
      expect(await embedded.value('app/db')).toEqual({ v: 'two' });
    });

    it('is destroyed at once without a window', async () => {
      const writes = embedded.mount({ prefix: 'app', undeleteWindow: '0s' }).writes!;
      const staged = await writes.delete('app/db', undefined);
      expect(staged.destroyAt).toBeUndefined();
      await commit(staged);
      expect(await keys()).toBe(0);
      await expect(writes.undelete('app/db', undefined)).rejects.toEqual(ABSENT);
    });

    it.each(['91d', '-1s', '0', '7', '0d', 7])('refuses the window %p', (undeleteWindow) => {
      expect(() => embedded.mount({ prefix: 'app', undeleteWindow })).toThrow(
        expect.objectContaining({ code: 'ERR_BODY_INVALID' }),
      );
    });

    it.each([
      { destroy_at: 1 },
      { destroy_at: null, deleted_through: null, deleted_version: null },
      { deleted_version: 1 },
      { deleted_through: 1 },
    ])('notices a changed deletion in the head: %j', async (change) => {
      await remove();
      await embedded.tamper({ table: 'secrets', key: { path: 'app/db' }, change });
      const refused = code('ERR_CIPHERTEXT_INVALID');
      await expect(embedded.value('app/db')).rejects.toEqual(refused);
      await expect(embedded.writes.undelete('app/db', undefined)).rejects.toEqual(refused);
    });

    it('does not destroy by a changed head, which stops no other deletion', async () => {
      await embedded.put('app/other', { v: 'x' });
      await remove('app/other');
      await remove();
      embedded.clock.advance(8 * DAY_MS);
      const change = { destroy_at: 1 };
      await embedded.tamper({ table: 'secrets', key: { path: 'app/db' }, change });
      expect(await sweep()).toEqual([['app/other', 1]]);
      expect(await keys()).toBe(2);
    });

    it.each([
      'not JSON',
      'null',
      '[]',
      '{"method":"hack","comment":7,"labels":["a"]}',
      '{"labels":{"team":{"a":1}}}',
    ])('lists a version whose note is %s, without it', async (metadata) => {
      const [row] = await embedded.rows('secret_versions');
      const { secret_id } = row as { readonly secret_id: string };
      const key = { secret_id, version: 2 };
      await embedded.tamper({ table: 'secret_versions', key, change: { metadata } });
      const [newest] = await embedded.writes.versions('app/db');
      expect(newest).toMatchObject({ version: '2', state: 'current' });
      for (const member of ['method', 'comment', 'labels']) {
        expect(newest).not.toHaveProperty(member);
      }
    });

    it('shows who wrote each version, how, and what the writer said', async () => {
      const staged = await embedded.writes.put('app/db', { v: 'x' }, undefined, {
        author: 'ann',
        method: 'patch',
        comment: 'OPS-7',
        labels: { team: 'pay' },
      });
      await commit(staged);
      const [newest, older] = await embedded.writes.versions('app/db');
      expect(newest).toMatchObject({
        createdBy: 'ann',
        method: 'patch',
        comment: 'OPS-7',
        labels: { team: 'pay' },
      });
      expect(older).toMatchObject({ createdBy: 'operator:ann', method: 'put' });
      expect(older).not.toHaveProperty('comment');
    });
  });
}
