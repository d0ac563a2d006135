import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CheckpointStorage } from '../../src/ports/checkpoint-storage.ts';

export interface CheckpointFixture {
  /** Opens the same empty place, as another process does. */
  open(): Promise<CheckpointStorage>;
  close(): Promise<void>;
}

/** The contract of a place for the last checkpoint. */
export function checkpointStorageContract(
  name: string,
  prepare: () => Promise<CheckpointFixture>,
): void {
  describe(`the checkpoint in ${name}`, () => {
    let fixture: CheckpointFixture;
    beforeAll(async () => {
      fixture = await prepare();
    });
    afterAll(() => fixture.close());

    it('is absent before the first write, and then what was written last', async () => {
      const writer = await fixture.open();
      expect(await writer.read()).toBeUndefined();
      expect(await writer.write('one\n\n— key AAAA\n')).toBeUndefined();
      expect(await writer.write('two')).toBeUndefined();
      expect(await writer.read()).toBe('two');
    });

    it('is there for a process that starts later, which replaces it', async () => {
      const later = await fixture.open();
      expect(await later.read()).toBe('two');
      expect(await later.write('three')).toBeUndefined();
      expect(await (await fixture.open()).read()).toBe('three');
    });
  });
}
