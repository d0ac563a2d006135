import { describe, expect, it } from '@jest/globals';
import { SpaceWatch } from '../../../../src/program/upkeep/space-watch.ts';
import type { Log } from '../../../../src/ports/log.ts';
import type { StoreSpace } from '../../../../src/store/index.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

function make(first: StoreSpace | Error) {
  const clock = new HandClock();
  const lines: string[] = [];
  const write = (_fields: object, message: string): void => void lines.push(message);
  const log: Log = { info: write, warn: write, error: write };
  const answer = { space: first };
  const store = {
    space: () =>
      answer.space instanceof Error ? Promise.reject(answer.space) : Promise.resolve(answer.space),
  };
  const watch = new SpaceWatch({ store, clock, log });
  const look = async (usedBytes: number): Promise<readonly string[]> => {
    answer.space = { usedBytes, limitBytes: 100 };
    clock.advance(30_000);
    await new Promise((resolve) => setImmediate(resolve));
    return watch.warnings();
  };
  return { watch, look, lines, clock };
}

describe('the space of the store', () => {
  it('causes one warning from 80 % on, until less than 75 % is used', async () => {
    const { watch, look, lines } = make({ usedBytes: 79, limitBytes: 100 });
    await watch.start();
    expect(watch.warnings()).toEqual([]);
    expect(await look(80)).toEqual(['store_space_low']);
    expect(await look(95)).toEqual(['store_space_low']);
    expect(await look(75)).toEqual(['store_space_low']);
    expect(await look(74)).toEqual([]);
    expect(await look(79)).toEqual([]);
    expect(lines).toEqual([
      expect.stringContaining('running out of space'),
      expect.stringContaining('has space again'),
    ]);
    watch.stop();
  });

  it('causes no alarm if no limit is known', async () => {
    const { watch } = make({ usedBytes: 1e15, limitBytes: undefined });
    await watch.start();
    expect(watch.warnings()).toEqual([]);
    expect(watch.space).toEqual({ usedBytes: 1e15, limitBytes: undefined });
    watch.stop();
  });

  it('is checked again when it could not be read', async () => {
    const { watch, look, lines } = make(new Error('no answer'));
    await watch.start();
    expect(watch.space).toBeUndefined();
    expect(await look(90)).toEqual(['store_space_low']);
    expect(lines[0]).toContain('cannot be read');
    watch.stop();
  });
});
