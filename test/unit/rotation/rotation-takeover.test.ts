import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { controlRotation } from '../../../src/rotation/control-rotation.ts';
import { requestRotation } from '../../../src/rotation/request-rotation.ts';
import type { LiveOperator } from '../../../src/broker/state/operator-token-memory.ts';
import { codeOf } from '../../kit/broker/test-broker.ts';
import { definition, PATH, RotationBench } from '../../kit/rotation/rotation-bench.ts';

const UNCONFIRMED = { takeover: undefined };

let bench: RotationBench;
let editor: LiveOperator;

beforeEach(async () => {
  bench = await RotationBench.open(UNCONFIRMED);
  editor = await bench.broker.operator('ed', [{ role: 'secret-editor' }, { role: 'rotator' }]);
  bench.work();
});
afterEach(() => bench.close());

async function run(kind: 'rotation' | 'drill' = 'rotation'): Promise<string> {
  const order = { path: PATH, kind, incident: false } as const;
  await requestRotation(bench.broker.parts, bench.broker.call(), editor, order);
  await bench.pass(10_000);
  const { state, last_error } = await bench.latest();
  return last_error === null ? state : `${state} ${last_error}`;
}

async function direct(verb: 'retry' | 'abort'): Promise<string> {
  const request = { path: PATH, verb } as const;
  await controlRotation(bench.broker.parts, bench.broker.call(), editor, request);
  await bench.pass(10_000);
  return (await bench.latest()).state;
}

const victimWorks = () => bench.broker.target.works({ username: 'victim', password: 'v0' });

/** A foreign account, and a definition of the editor that names it. */
async function steal(options: object = { slots: 'one' }): Promise<void> {
  bench.broker.target.allow({ username: 'victim', password: 'v0' });
  const rotation = { ...UNCONFIRMED, options: { user: 'victim', ...options } };
  await bench.broker.put(editor, 'definition', PATH, definition(rotation));
}

describe('the first rotation of an existing account', () => {
  it.each(['one', 'two'] as const)(
    'is parked without the current credential, and changes nothing (%s) (ED03)',
    async (slots) => {
      await steal({ slots });
      await bench.write({ other: 'no login' });
      expect(await run()).toContain('parked');
      expect((await bench.latest()).last_error).toContain('takeover_unproven');
      expect(victimWorks()).toBe(true);
      expect(bench.broker.target.calls).not.toContain('create');
      expect(bench.broker.target.calls).not.toContain('set');
      expect(await direct('abort')).toBe('aborted');
      expect(bench.broker.target.calls).not.toContain('discard');
      expect(victimWorks()).toBe(true);
    },
  );

  it.each<[string, Readonly<Record<string, string>>]>([
    ['that does not log in', { username: 'victim', password: 'guessed' }],
    ['without a password', { username: 'victim' }],
    ['with an empty password', { username: 'victim', password: '' }],
    ['without a user', { password: 'v0' }],
    ['of another user, which logs in', { username: 'app', password: 'p0' }],
    ['of another user with the password of this one', { username: 'app', password: 'v0' }],
    ['with a blank behind the password', { username: 'victim', password: 'v0 ' }],
    ['with a blank before the user', { username: ' victim', password: 'v0' }],
    ['in other letters', { username: 'VICTIM', password: 'v0' }],
    ['in letters that look alike', { username: 'vıctim', password: 'v0' }],
    ['under other keys', { user: 'victim', pass: 'v0' }],
    ['with the password as the user', { username: 'v0', password: 'victim' }],
  ])('is parked with a credential %s', async (_what, value) => {
    await steal();
    await bench.write(value);
    expect(await run()).toContain('parked');
    expect(victimWorks()).toBe(true);
    expect(bench.broker.target.calls).not.toContain('set');
  });

  it('is parked for a drill too', async () => {
    await steal({ slots: 'two' });
    await bench.write({ username: 'victim', password: 'guessed' });
    expect(await run('drill')).toContain('takeover_unproven');
  });

  it('resumes once the current credential is stored and the rotation is retried', async () => {
    await steal();
    await bench.write({ username: 'victim', password: 'guessed' });
    await run();
    await bench.write({ username: 'victim', password: 'v0' });
    expect(await direct('retry')).toBe('done');
  });

  it('needs a confirmation for a pair of accounts, because a value proves only one', async () => {
    await steal({ slots: 'two', user: 'app', partner: 'victim' });
    expect(await run()).toContain('takeover_unproven');
    const confirmed = { options: { slots: 'two', user: 'app', partner: 'victim' } };
    await bench.define(confirmed);
    expect(await direct('retry')).toBe('done');
  });
});

describe('the confirmation of a takeover', () => {
  it('is given by an admin only, and stays while the target stays (ED03)', async () => {
    const save = (who: LiveOperator, more: object) =>
      codeOf(bench.broker.put(who, 'definition', PATH, definition(more)));
    expect(await save(editor, {})).toBe('ERR_BODY_INVALID');
    expect(await save(bench.admin, {})).toBe('no error');
    expect(await save(editor, { grace: '1h' })).toBe('no error');
    expect(await save(editor, { options: { user: 'victim' } })).toBe('ERR_BODY_INVALID');
    expect(await save(editor, { ...UNCONFIRMED, grace: '1h' })).toBe('no error');
    expect(await save(editor, {})).toBe('ERR_BODY_INVALID');
  });
});

describe('a definition that has rotated', () => {
  beforeEach(async () => {
    expect(await run()).toBe('done');
  });

  it('rotates again although its stored value is broken', async () => {
    bench.broker.clock.advance(60_000);
    await bench.write({ username: 'app', password: 'broken' });
    expect(await run()).toBe('done');
  });

  it('needs a new proof when it names another account (ED03)', async () => {
    await steal();
    await bench.write({ username: 'victim', password: 'guessed' });
    expect(await run()).toContain('takeover_unproven');
    expect(victimWorks()).toBe(true);
  });
});
