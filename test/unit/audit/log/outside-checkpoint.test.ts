import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { signCheckpoint } from '../../../../src/crypto/log/checkpoint.ts';
import { generateSigningKey } from '../../../../src/crypto/signatures/signing.ts';
import { Integrator } from '../../../../src/audit/log/integrator.ts';
import type { CheckpointStorage } from '../../../../src/ports/checkpoint-storage.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { LogBench } from '../../../kit/log/log-bench.ts';

let bench: LogBench;

beforeEach(async () => {
  bench = await LogBench.open(new HandClock());
});
afterEach(() => bench.remove());

/** A place that several processes share; `seen` is what this process read or wrote last. */
function sharedPlace(): { note: string | undefined; open(): CheckpointStorage } {
  const place = {
    note: undefined as string | undefined,
    open(): CheckpointStorage {
      let seen: string | undefined;
      const read = (): Promise<string | undefined> => Promise.resolve((seen = place.note));
      return {
        name: 'shared',
        read,
        write(note) {
          if (seen !== place.note) return read();
          seen = place.note = note;
          return Promise.resolve(undefined);
        },
      };
    },
  };
  return place;
}

describe('a checkpoint that several processes write', () => {
  const noteOf = (size: number, root: Uint8Array): string =>
    signCheckpoint({ origin: bench.log.origin, size, root }, bench.log.signer);

  async function running(): Promise<{ place: ReturnType<typeof sharedPlace>; one: Integrator }> {
    await bench.integrator.close();
    const place = sharedPlace();
    const one = new Integrator({ ...bench.integratorOptions(), outside: place.open() });
    await one.start();
    await bench.record({}, {}, {}, {});
    await one.integrate();
    return { place, one };
  }

  it('replaces an older one of the process that integrated before', async () => {
    const { place, one } = await running();
    const older = place.note;
    await bench.record({}, {});
    await one.integrate();
    const newer = place.note;
    place.note = older;
    await bench.record({}, {});
    await one.integrate();
    expect(place.note).not.toBe(newer);
    expect(place.note?.split('\n')[1]).toBe('9');
    expect(one.status()).toMatchObject({ held: undefined, isUnwritten: false });
    await one.close();
  });

  it('holds the store if it lacks entries of the other checkpoint', async () => {
    const { place, one } = await running();
    place.note = noteOf(1_000, Buffer.alloc(32, 1));
    await bench.record({}, {});
    await one.integrate();
    expect(one.status()).toMatchObject({ state: 'held', held: 'store_behind' });
    await one.close();
  });

  it('holds the store if its entries are not those of the other checkpoint', async () => {
    const { place, one } = await running();
    place.note = noteOf(3, Buffer.alloc(32, 1));
    await bench.record({}, {});
    await one.integrate();
    expect(one.status()).toMatchObject({ state: 'held', held: 'store_forked' });
    await one.close();
  });

  it('stays if another log key signed it, while the broker serves and reports that', async () => {
    const { place, one } = await running();
    const foreign = signCheckpoint(
      { origin: bench.log.origin, size: 3, root: Buffer.alloc(32, 1) },
      { name: bench.log.origin, key: generateSigningKey() },
    );
    place.note = foreign;
    await bench.record({}, {});
    await one.integrate();
    expect(place.note).toBe(foreign);
    expect(one.status()).toMatchObject({ state: 'active', isUnwritten: true });
    await one.close();
  });

  it('refuses to unlock a store if the other process wrote it meanwhile', async () => {
    const { place, one } = await running();
    await one.close();
    place.note = noteOf(1_000, Buffer.alloc(32, 1));
    const storage = place.open();
    let reads = 0;
    const read = async (): Promise<string | undefined> => {
      const note = await storage.read();
      place.note = noteOf(
        1_000,
        Buffer.from(
          String((reads += 1))
            .padEnd(32)
            .slice(0, 32),
        ),
      );
      return note;
    };
    const outside = { ...storage, read };
    const releasing = new Integrator({ ...bench.integratorOptions(), outside });
    expect(await releasing.start()).toMatchObject({ held: 'store_behind' });
    await expect(bench.release(releasing)).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    await releasing.close();
  });
});
