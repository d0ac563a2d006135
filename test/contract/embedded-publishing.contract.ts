import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { SecretData } from '../../src/domain/secrets/secret.ts';
import type { PublishedVersion } from '../../src/ports/secret-provider.ts';
import {
  CONTEXT,
  openEmbedded,
  type Embedded,
  type MakeStore,
} from '../kit/providers/embedded-fixture.ts';

/** Rotated values get into the embedded store as parts of a plan, so that they commit with the rotation's row. */
export function embeddedPublishingContract(store: string, makeStore: MakeStore): void {
  describe(`rotated values in the embedded store, on ${store}`, () => {
    let embedded: Embedded;

    beforeEach(async () => {
      embedded = await openEmbedded(makeStore, { keepVersions: 3 });
    });
    afterEach(() => embedded.close());

    const publish = (data: SecretData, token = 'rot_1'): Promise<PublishedVersion> =>
      embedded.provider.publishing!.publish('app/db', data, token, CONTEXT);
    const commit = async ({ fragment }: PublishedVersion): Promise<string> =>
      (await embedded.store.commit(fragment!)).status;
    const versions = async (): Promise<readonly string[]> =>
      (await embedded.writes.versions('app/db')).map(
        ({ version, createdBy, state }) => `${version} ${createdBy} ${state}`,
      );

    it('change nothing until the broker commits them', async () => {
      await embedded.put('app/db', { password: 'old' });
      const staged = await publish({ password: 'new' });
      expect(await embedded.value('app/db')).toEqual({ password: 'old' });
      expect(staged.version).toBe('2');
      expect(await commit(staged)).toBe('committed');
      expect(await embedded.value('app/db')).toEqual({ password: 'new' });
    });

    it('name their rotation, and invalidate decisions on the version before', async () => {
      await embedded.put('app/db', { password: 'old' });
      const staged = await publish({ password: 'new' }, 'rot_7');
      expect(staged.fragment!.invalidates).toEqual(['secret:app/db']);
      await commit(staged);
      expect(await versions()).toEqual(['2 rotation:rot_7 current', '1 operator:ann previous']);
    });

    it('make no second version when they are current already', async () => {
      await embedded.put('app/db', { password: 'old' });
      await commit(await publish({ password: 'new', user: 'a' }));
      const again = await publish({ user: 'a', password: 'new' });
      expect(again.version).toBe('2');
      expect(await commit(again)).toBe('committed');
      expect(await versions()).toHaveLength(2);
    });

    it('conflict when the current value is replaced before the commit', async () => {
      await embedded.put('app/db', { password: 'new' });
      const staged = await publish({ password: 'new' });
      await embedded.put('app/db', { password: 'by hand' });
      expect(await commit(staged)).toBe('conflict');
      expect(await commit(await publish({ password: 'new' }))).toBe('committed');
      expect(await embedded.value('app/db')).toEqual({ password: 'new' });
      expect(await versions()).toHaveLength(3);
    });

    it('conflict with a concurrent write, and become the newest version when they are staged again', async () => {
      await embedded.put('app/db', { password: 'old' });
      const staged = await publish({ password: 'new' });
      await embedded.put('app/db', { password: 'by hand' });
      expect(await commit(staged)).toBe('conflict');
      const again = await publish({ password: 'new' });
      expect(again.version).toBe('3');
      expect(await commit(again)).toBe('committed');
      expect(await embedded.value('app/db')).toEqual({ password: 'new' });
    });

    it('can restore the value before as a new version', async () => {
      await embedded.put('app/db', { password: 'old' });
      await commit(await publish({ password: 'new' }));
      expect(await commit(await publish({ password: 'old' }))).toBe('committed');
      expect(await embedded.value('app/db')).toEqual({ password: 'old' });
      expect(await commit(await publish({ password: 'new' }))).toBe('committed');
      expect((await embedded.provider.read('app/db', undefined, CONTEXT)).version).toBe('4');
    });

    it('are the first version of an absent secret, and the next if all were deleted', async () => {
      const first = await publish({ password: 'new' });
      expect([first.version, await commit(first)]).toEqual(['1', 'committed']);
      await embedded.commit(embedded.writes.destroy('app/db', undefined, undefined));
      const second = await publish({ password: 'new' });
      expect([second.version, await commit(second)]).toEqual(['2', 'committed']);
      expect(await embedded.value('app/db')).toEqual({ password: 'new' });
    });

    it('distinguish bytes from text that looks the same', async () => {
      await commit(await publish({ key: { base64: 'AA==' } }));
      const text = await publish({ key: 'AA==' });
      expect(text.version).toBe('2');
    });

    it('are not staged for a caller that disconnected', async () => {
      const gone = { requestId: 'r', signal: AbortSignal.abort() };
      await expect(
        embedded.provider.publishing!.publish('app/db', { v: '1' }, 'rot_1', gone),
      ).rejects.toMatchObject({ code: 'ERR_PROVIDER_TIMEOUT' });
    });

    it('are not published over a manipulated head', async () => {
      await embedded.put('app/db', { password: 'old' });
      await embedded.tamper({
        table: 'secrets',
        key: { path: 'app/db' },
        change: { updated_at: 1 },
      });
      await expect(publish({ password: 'new' })).rejects.toMatchObject({
        code: 'ERR_CIPHERTEXT_INVALID',
      });
    });
  });
}
