import { describe, expect, it } from '@jest/globals';
import { BrokerError } from '../../../../src/domain/errors.ts';
import type { Log } from '../../../../src/ports/log.ts';
import type { IndexCheck } from '../../../../src/store/opened-store.ts';
import { IndexScrub } from '../../../../src/program/upkeep/index-scrub.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

const HOUR_MS = 3_600_000;
const FIRST_MS = 5_000;
const RETRY_MS = 600_000;

function make(next: IndexCheck['next'] | undefined) {
  const clock = new HandClock();
  const lines: string[] = [];
  const write = (_fields: object, message: string): void => void lines.push(message);
  const log: Log = { info: write, warn: write, error: write };
  const check = next === undefined ? undefined : { begin: () => undefined, next };
  const guard = { hold: () => new BrokerError('ERR_HELD') };
  const scrub = new IndexScrub({ check, guard, clock, log, intervalMs: HOUR_MS });
  const advance = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
  };
  scrub.start();
  return { scrub, lines, advance };
}

describe('the check of the indexes', () => {
  it('causes no warning while it completes in time', async () => {
    const { scrub, advance } = make(() => undefined);
    for (let hour = 0; hour < 5; hour += 1) await advance(HOUR_MS + FIRST_MS);
    expect(scrub.warnings()).toEqual([]);
    expect(scrub.status().completedAt).toBeDefined();
  });

  it('causes a warning from a failure until it completes', async () => {
    let isBroken = true;
    const { scrub, lines, advance } = make(() => {
      if (isBroken) throw new Error('no such column: rowid');
      return undefined;
    });
    await advance(FIRST_MS);
    expect(scrub.warnings()).toEqual(['index_check_incomplete']);
    await advance(RETRY_MS);
    expect(lines).toEqual(Array(2).fill(expect.stringContaining('could not be checked')));
    isBroken = false;
    await advance(RETRY_MS);
    expect(scrub.warnings()).toEqual([]);
  });

  it('causes a warning when it has not ended for two intervals', async () => {
    // Each slice is followed by a pause, so the walk never ends while the clock stands.
    const { scrub, advance } = make(() => ({ table: 'leases', rows: 1, damage: [] }));
    await advance(FIRST_MS);
    await advance(2 * HOUR_MS - FIRST_MS);
    expect(scrub.warnings()).toEqual([]);
    await advance(1);
    expect(scrub.warnings()).toEqual(['index_check_incomplete']);
    await scrub.close();
  });

  it('causes no warning on a store that checks its own indexes', async () => {
    const { scrub, advance } = make(undefined);
    await advance(10 * HOUR_MS);
    expect(scrub.warnings()).toEqual([]);
    expect(scrub.status().isOffered).toBe(false);
  });
});
