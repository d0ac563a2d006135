import { describe, expect, it } from '@jest/globals';
import { EXIT } from '../../../../src/cli/kernel/errors.ts';
import { createProgram } from '../../../../src/program/program.ts';
import { rotationVerb, runRotationStatus } from '../../../../src/cli/verbs/rotations.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { ScriptedBroker } from '../../../kit/cli/scripted-api.ts';

const ROTATION = { id: 'rot_1', path: 'a/b', kind: 'rotation', state: 'running', step: 'create' };

describe('requesting a rotation', () => {
  it('has an idempotency key if a repeat would start another rotation', async () => {
    const broker = new ScriptedBroker({
      runRotation: () => ROTATION,
      drillRotation: () => ROTATION,
      retryRotation: () => ROTATION,
    });
    const context = cliContext({ broker });
    const args = ['a/b'];
    await rotationVerb('runRotation')(context, { args, options: { idempotencyKey: 'mine' } });
    await rotationVerb('drillRotation')(context, { args, options: {} });
    await rotationVerb('retryRotation')(context, { args, options: {} });
    expect(broker.asked.map(({ headers }) => headers?.['Idempotency-Key'])).toEqual([
      'mine',
      expect.stringMatching(/^cli_/),
      undefined,
    ]);
  });
});

describe('the status of a path', () => {
  it.each([
    ['running', '2026-01-06T10:00:00Z'],
    ['parked', undefined],
  ])('shows for a failed step of a rotation that is %s the next retry: %s', async (state, said) => {
    const failing = { lastError: 'login_refused', nextAttemptAt: '2026-01-06T10:00:00Z' };
    const active = { ...ROTATION, ...failing, state };
    const broker = new ScriptedBroker({
      readRotation: () => ({ path: 'a/b', active, holders: [] }),
    });
    const context = cliContext({ broker });
    await runRotationStatus(context, { args: ['a/b'], options: {} });
    expect(/next retry +(\S+)/.exec(context.out())?.[1]).toBe(said);
  });
});

describe('waiting for a rotation', () => {
  it('polls less often while nothing changes, reports what it waits for, and exits by the outcome', async () => {
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
    const exit = await rotationVerb('runRotation')(
      { ...context, clock },
      { args: ['a/b'], options },
    );
    expect(exit).toBe(EXIT.done);
    expect(pauses).toEqual([1_000, 1_000, 1_000, 2_000, 4_000, 8_000, 10_000]);
    expect(context.err().match(/waiting until all holders use the new version/g)).toHaveLength(1);
    expect(context.out()).toMatch(/state +done\n/);
  });

  it('reports each failed step with its next retry, and the remedies of a parked rotation', async () => {
    const failing = { ...ROTATION, step: 'set', attempts: 1, lastError: 'login_refused' };
    const seen: object[] = [
      { ...ROTATION, step: 'set' },
      { ...failing, nextAttemptAt: '2026-01-06T10:00:00Z' },
      { ...failing, nextAttemptAt: '2026-01-06T10:00:00Z' },
      { ...failing, state: 'parked', attempts: 2 },
    ];
    const broker = new ScriptedBroker({
      runRotation: () => ROTATION,
      readRotation: () => ({ active: seen.shift() }),
    });
    const context = cliContext({ broker });
    const clock = { ...context.clock, sleep: () => Promise.resolve() };
    const call = { args: ['a/b'], options: { wait: true } };
    expect(await rotationVerb('runRotation')({ ...context, clock }, call)).toBe(EXIT.failed);
    const again = 'a/b: step set failed (login_refused); next retry at 2026-01-06T10:00:00Z';
    expect(context.err().split(again)).toHaveLength(2);
    expect(context.err()).toContain('quaymaster rotate status a/b');
    expect(context.err()).toContain('quaymaster rotate retry a/b');
    expect(context.out()).toMatch(/step +set\n/);
  });

  it('says at its end which steps proved what, and which accounts were checked', async () => {
    const step = (name: string, outcome: string, at: string) => ({
      step: name,
      outcome,
      actor: 'system',
      at: `2026-01-06T10:00:0${at}Z`,
    });
    const steps = [
      step('test', 'begun', '1'),
      step('test', 'failed', '2'),
      step('test', 'done', '3'),
      step('retire', 'done', '4'),
    ];
    const ended = { ...ROTATION, state: 'done', version: '2', previousVersion: '1', steps };
    const broker = new ScriptedBroker({
      runRotation: () => ROTATION,
      readRotation: () => ({ connection: 'pg', accounts: ['roles/app_a', 'roles/app_b'] }),
      readRotationHistory: () => ({ items: [ended] }),
    });
    const context = cliContext({ broker });
    const clock = { ...context.clock, sleep: () => Promise.resolve() };
    const call = { args: ['a/b'], options: { wait: true } };
    await rotationVerb('runRotation')({ ...context, clock }, call);
    expect(context.out()).toContain(
      [
        'proven:',
        '  2026-01-06T10:00:03Z  test     a login with the new credential worked, and it may do what the definition demands',
        '  2026-01-06T10:00:04Z  retire   the target revoked the old credential',
        'accounts checked: roles/app_a, roles/app_b at connection "pg"',
      ].join('\n'),
    );
  });

  it.each([
    ['retryRotation', 'running', 'done', EXIT.done],
    ['retryRotation', 'running', 'parked', EXIT.failed],
    ['retryRotation', 'undoing', 'aborted', EXIT.done],
    ['retireRotation', 'running', 'done', EXIT.done],
    ['runRotation', 'running', 'rolled_back', EXIT.failed],
    // The rotation is found again under its key; it is rolled back by now.
    ['runRotation', 'undoing', 'aborted', EXIT.failed],
    ['runRotation', 'rolled_back', 'rolled_back', EXIT.failed],
    ['abortRotation', 'undoing', 'aborted', EXIT.done],
    ['abortRotation', 'undoing', 'parked', EXIT.failed],
    ['abortRotation', 'aborted', 'aborted', EXIT.done],
    ['rollBackRotation', 'undoing', 'rolled_back', EXIT.done],
  ] as const)('%s that is %s and then %s ends with %i', async (id, asked, ended, code) => {
    const broker = new ScriptedBroker({
      [id]: () => ({ ...ROTATION, state: asked }),
      readRotation: () => ({ active: { ...ROTATION, state: ended } }),
    });
    const context = cliContext({ broker });
    const clock = { ...context.clock, sleep: () => Promise.resolve() };
    const call = { args: ['a/b'], options: { wait: true } };
    expect(await rotationVerb(id)({ ...context, clock }, call)).toBe(code);
    expect(context.out()).toMatch(new RegExp(`state +${ended}\\n`));
  });
});

describe('a requested rotation', () => {
  const steering = createProgram().commands.find((each) => each.name() === 'rotate')?.commands;

  it.each(['run', 'drill', 'retry', 'abort', 'rollback', 'retire'])(
    'is waited for until it ends: %s',
    (verb) => {
      const options = steering?.find((each) => each.name() === verb)?.options;
      expect(options?.map(({ long }) => long)).toContain('--wait');
    },
  );
});
