import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ArchiveStorage } from '../../src/ports/archive-storage.ts';

export interface PlaceFixture {
  readonly place: ArchiveStorage;
  /** A place that refuses everything, such as a bucket that does not exist. */
  readonly refusing: ArchiveStorage;
  close(): Promise<void>;
}

/** The contract of a place for archived parts of the log. */
export function archivePlaceContract(name: string, open: () => Promise<PlaceFixture>): void {
  describe(`the archive in ${name}`, () => {
    let fixture: PlaceFixture;
    beforeAll(async () => {
      fixture = await open();
    });
    afterAll(() => fixture.close());

    it('returns an object as it was stored', async () => {
      const { place } = fixture;
      const bytes = Buffer.alloc(6 * 1024 * 1024, 'archive ');
      await place.put('large', bytes);
      expect(Buffer.from((await place.get('large', bytes.length)) ?? []).equals(bytes)).toBe(true);
      await place.put('empty', new Uint8Array());
      expect(await place.get('empty', 10)).toHaveLength(0);
    });

    it('replaces an object of the same name', async () => {
      const { place } = fixture;
      await place.put('twice', Buffer.from('one'));
      await place.put('twice', Buffer.from('two'));
      expect(Buffer.from((await place.get('twice', 10)) ?? []).toString()).toBe('two');
    });

    it('has nothing under an unknown name', async () => {
      expect(await fixture.place.get('absent', 10)).toBeUndefined();
    });

    it('refuses an object that is longer than expected', async () => {
      const { place } = fixture;
      await place.put('long', Buffer.alloc(1_000));
      await expect(place.get('long', 999)).rejects.toMatchObject({
        code: 'ERR_CIPHERTEXT_INVALID',
      });
    });

    it('names the place and the object if it refuses', async () => {
      const { refusing } = fixture;
      const writing = refusing.put('object', Buffer.from('x'));
      await expect(writing).rejects.toMatchObject({ code: 'ERR_PROVIDER_UNAVAILABLE' });
      await expect(writing).rejects.toThrow(
        `${refusing.name}: the archive object object could not`,
      );
    });
  });
}
