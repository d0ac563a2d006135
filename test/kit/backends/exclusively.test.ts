import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { exclusively } from './exclusively.ts';

describe('exclusively', () => {
  let directory = '';

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quaymaster-lock-'));
  });

  afterEach(() => rm(directory, { recursive: true }));

  it('starts the second when the first has ended, and reports that it waits', async () => {
    const file = join(directory, 'made', 'lock');
    const events: string[] = [];
    const waits = Promise.withResolvers<undefined>();
    const first = exclusively(
      file,
      async () => {
        events.push('first begins');
        await waits.promise;
        events.push('first ends');
      },
      () => events.push('first waits'),
    );
    const second = exclusively(
      file,
      () => Promise.resolve(events.push('second begins')),
      () => {
        events.push('second waits');
        waits.resolve(undefined);
      },
    );
    await Promise.all([first, second]);
    expect(events).toEqual(['first begins', 'second waits', 'first ends', 'second begins']);
  });

  it('releases the lock when the action throws', async () => {
    const file = join(directory, 'lock');
    const never = () => {
      throw new Error('it waited');
    };
    const failing = exclusively(file, () => Promise.reject(new Error('no')), never);
    await expect(failing).rejects.toThrow('no');
    expect(await exclusively(file, () => Promise.resolve('second'), never)).toBe('second');
  });
});
