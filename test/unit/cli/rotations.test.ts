import { describe, expect, it } from '@jest/globals';
import { EXIT } from '../../../src/cli/exit-codes.ts';
import { askRotation } from '../../../src/cli/verbs/rotations.ts';
import { cliContext } from '../../support/cli-context.ts';
import { ScriptedBroker } from '../../support/scripted-broker.ts';

const ROTATION = { id: 'rot_1', path: 'a/b', kind: 'rotation', state: 'running', step: 'create' };

describe('asking for a rotation', () => {
  it('has a key where a repeat would begin another, and none where it would not', async () => {
    const broker = new ScriptedBroker({
      runRotation: () => ROTATION,
      drillRotation: () => ROTATION,
      retryRotation: () => ROTATION,
    });
    const context = cliContext({ broker });
    const args = ['a/b'];
    await askRotation('runRotation')(context, { args, options: { idempotencyKey: 'mine' } });
    await askRotation('drillRotation')(context, { args, options: {} });
    await askRotation('retryRotation')(context, { args, options: {} });
    expect(broker.asked.map(({ headers }) => headers?.['Idempotency-Key'])).toEqual([
      'mine',
      expect.stringMatching(/^cli_/),
      undefined,
    ]);
  });
});

describe('waiting for a rotation', () => {
  it('looks more seldom while nothing happens, says what it waits for, and ends as it ends', async () => {
    const settling = { ...ROTATION, step: 'settle', settlesUntil: '2026-01-06T10:00:00Z' };
    const seen: object[] = [
      { ...ROTATION, step: 'set' },
      ...Array.from({ length: 5 }, () => settling),
    ];
    const broker = new ScriptedBroker({
      runRotation: () => ROTATION,
      readRotation: () => ({ active: seen.shift() }),
      readRotationHistory: () => ({ items: [{ ...settling, state: 'done', version: '2' }] }),
    });
    const context = cliContext({ broker });
    const pauses: number[] = [];
    const clock = {
      ...context.clock,
      sleep: (ms: number) => Promise.resolve(void pauses.push(ms)),
    };
    const options = { wait: true };
    const exit = await askRotation('runRotation')(
      { ...context, clock },
      { args: ['a/b'], options },
    );
    expect(exit).toBe(EXIT.done);
    expect(pauses).toEqual([1_000, 1_000, 1_000, 2_000, 4_000, 8_000, 10_000]);
    expect(context.err().match(/waits until its holders have moved on/g)).toHaveLength(1);
    expect(context.out()).toMatch(/state +done\n/);
  });
});
