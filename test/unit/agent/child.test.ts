import { describe, expect, it } from '@jest/globals';
import { Child } from '../../../src/agent/child/child.ts';
import { systemClock } from '../../../src/clock.ts';

describe('the child', () => {
  it('that is ended while it is replaced is not started again', async () => {
    const child = new Child({
      command: ['/bin/sleep', '60'],
      settings: { stopSignal: 'SIGTERM', stopAfter: 10_000 },
      clock: systemClock,
    });
    child.start({});
    const replaced = child.restart(() => ({}));
    await child.end();
    await replaced;
    expect(await child.exit).toBe(128 + 15);
  });
});
