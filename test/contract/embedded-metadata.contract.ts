import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { MetadataChange } from '../../src/domain/secrets/custom-metadata.ts';
import type { PlanFragment } from '../../src/ports/store.ts';
import { openEmbedded as openBackend } from '../../src/providers/embedded/open.ts';
import { openEmbedded, type Embedded, type MakeStore } from '../kit/providers/embedded-fixture.ts';

const code = (name: string): object => expect.objectContaining({ code: name });
const DAY_MS = 86_400_000;

/** Custom metadata, its versions and its end, on every store. */
export function embeddedMetadataContract(store: string, makeStore: MakeStore): void {
  describe(`custom metadata in the embedded store, on ${store}`, () => {
    let embedded: Embedded;

    beforeEach(async () => {
      embedded = await openEmbedded(makeStore);
      await embedded.put('app/db', { v: 'one' });
    });
    afterEach(() => embedded.close());

    const staged = (entries: MetadataChange['entries'], more: Partial<MetadataChange> = {}) =>
      embedded.writes.metadata.change(
        'app/db',
        { entries, replaces: false, ifVersion: undefined, ...more },
        'alice',
      );
    const commit = async (fragment: PlanFragment): Promise<string> =>
      (await embedded.store.commit(fragment)).status;
    const change = async (...asked: Parameters<typeof staged>): Promise<number> => {
      const { version, fragment } = await staged(...asked);
      expect(await commit(fragment)).toBe('committed');
      return version;
    };
    const entries = async (path = 'app/db'): Promise<unknown> =>
      (await embedded.writes.metadata.read(path))?.entries;
    const sweep = async (): Promise<void> => {
      const { keyring, clock } = embedded;
      const parts = { store: embedded.store, keyring, clock, installation: 'in_test' };
      const overdue = (await openBackend(parts).provider.overdueDeletions?.(10)) ?? [];
      expect(overdue).toHaveLength(1);
      for (const { fragment } of overdue) expect(await commit(fragment)).toBe('committed');
    };

    it('sets, removes and replaces keys, and counts the changes', async () => {
      expect(await entries()).toBeUndefined();
      expect(await change({ owner: 'pay', tier: '1' })).toBe(1);
      expect(await change({ tier: null, ['__proto__']: 'p', absent: null })).toBe(2);
      expect(await embedded.writes.metadata.read('app/db')).toEqual({
        version: 2,
        entries: { ['__proto__']: 'p', owner: 'pay' },
        updatedAt: embedded.clock.now(),
        updatedBy: 'alice',
      });
      expect(await change({ only: 'this' }, { replaces: true })).toBe(3);
      expect(await entries()).toEqual({ only: 'this' });
      expect(await change({}, { replaces: true })).toBe(4);
      expect(await entries()).toEqual({});
    });

    it('writes nothing for metadata that is as wanted', async () => {
      expect((await staged({ owner: null })).version).toBe(0);
      await change({ owner: 'pay', tier: '1' });
      for (const asked of [
        staged({ tier: '1', owner: 'pay' }, { replaces: true }),
        staged({ owner: 'pay' }),
        staged({}),
      ]) {
        const { version, fragment } = await asked;
        expect([version, fragment.writes]).toEqual([1, []]);
      }
    });

    it('refuses a change of another version, and one of two at the same time', async () => {
      await expect(staged({ a: '1' }, { ifVersion: 1 })).rejects.toEqual(
        code('ERR_VERSION_CONFLICT'),
      );
      expect(await change({ a: '1' }, { ifVersion: 0 })).toBe(1);
      await expect(staged({ a: '2' }, { ifVersion: 0 })).rejects.toEqual(
        code('ERR_VERSION_CONFLICT'),
      );
      const [one, other] = [await staged({ b: '1' }), await staged({ c: '1' })];
      expect(await commit(one.fragment)).toBe('committed');
      expect(await commit(other.fragment)).toBe('conflict');
      expect(await entries()).toEqual({ a: '1', b: '1' });
    });

    it('refuses more than 64 keys', async () => {
      await change(Object.fromEntries(Array.from({ length: 64 }, (_, at) => [`k${at}`, 'v'])));
      await expect(staged({ more: 'v' })).rejects.toEqual(code('ERR_CONFLICT'));
      expect(await change({ more: 'v', k0: null })).toBe(2);
    });

    it('outlives versions and a deletion that can be undone', async () => {
      await change({ owner: 'pay' });
      await embedded.put('app/db', { v: 'two' });
      await embedded.commit(embedded.writes.destroy('app/db', ['1'], undefined));
      await embedded.commit(embedded.writes.delete('app/db', undefined));
      expect(await entries()).toEqual({ owner: 'pay' });
      await embedded.commit(embedded.writes.undelete('app/db', undefined));
      expect(await entries()).toEqual({ owner: 'pay' });
    });

    it('ends with the last version: by a destruction, or when the window of a deletion ends', async () => {
      await change({ owner: 'pay' });
      await embedded.commit(embedded.writes.destroy('app/db', undefined, undefined));
      expect(await entries()).toBeUndefined();
      await embedded.put('app/db', { v: 'two' });
      await change({ owner: 'pay' });
      await embedded.commit(embedded.writes.delete('app/db', undefined));
      embedded.clock.advance(7 * DAY_MS);
      await sweep();
      expect(await entries()).toBeUndefined();
    });

    it('stays when a secret was written again during the window of its deletion', async () => {
      await change({ owner: 'pay' });
      await embedded.commit(embedded.writes.delete('app/db', undefined));
      await embedded.put('app/db', { v: 'two' });
      embedded.clock.advance(7 * DAY_MS);
      await sweep();
      expect(await entries()).toEqual({ owner: 'pay' });
      expect(await embedded.value('app/db')).toEqual({ v: 'two' });
    });

    it('exists without a version, and is destroyed alone', async () => {
      const asked = { entries: { owner: 'pay' }, replaces: false, ifVersion: undefined };
      const { fragment } = await embedded.writes.metadata.change('app/ahead', asked, 'alice');
      expect(await commit(fragment)).toBe('committed');
      await expect(embedded.writes.destroy('app/ahead', ['1'], undefined)).rejects.toEqual(
        code('ERR_NOT_FOUND'),
      );
      await expect(embedded.writes.destroy('app/ahead', undefined, '1')).rejects.toEqual(
        code('ERR_VERSION_CONFLICT'),
      );
      await embedded.commit(embedded.writes.destroy('app/ahead', undefined, undefined));
      expect(await entries('app/ahead')).toBeUndefined();
      await expect(embedded.writes.destroy('app/ahead', undefined, undefined)).rejects.toEqual(
        code('ERR_NOT_FOUND'),
      );
    });

    it('is not removed by a destruction that a change overtook', async () => {
      const destroying = await embedded.writes.destroy('app/db', undefined, undefined);
      await change({ owner: 'pay' });
      expect(await commit(destroying.fragment)).toBe('conflict');
    });
  });
}
