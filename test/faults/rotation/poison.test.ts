import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../../kit/backends/until.ts';
import { eventually } from '../../kit/time/eventually.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';
import { AccountReceiver } from '../../kit/rotation/account-receiver.ts';
import type { ShownRotation } from '../../kit/rotation/rotating-broker.ts';

/** The longest way to being parked, five minutes, passes in ten seconds at most. */
const SPEED = 30;
/** Calls have enough time at that speed. */
const ONCE = { maxRetries: 0 };
const WELL = Array.from({ length: 6 }, (_, n) => `own/well-${n}`);

interface Status {
  readonly failures: number;
  readonly active?: ShownRotation & { readonly attempts: number };
  readonly target?: { readonly current: string; readonly pending: string };
}

describe('a failing rotation', () => {
  let target: AccountReceiver;
  let broker: PreparedBroker;
  let epoch: number;

  beforeAll(async () => {
    target = await AccountReceiver.start();
    broker = await PreparedBroker.start({
      config: () => ({
        connections: { portal: target.connection(ONCE), other: target.connection(ONCE) },
      }),
    });
    await define('own/poison', 'portal');
    await define('own/liar', 'portal');
    for (const path of WELL) await define(path, 'other');
    await broker.installation.stop();
    epoch = Date.now();
    await broker.startWithFailpoints({ epoch, speed: SPEED });
  });
  afterAll(async () => {
    await (broker as PreparedBroker | undefined)?.remove();
    await target.stop();
  });

  async function define(path: string, connection: string): Promise<void> {
    target.allow(placeOf(path), 'first');
    await broker.write(path, { password: 'first' });
    const options = { target: placeOf(path), slots: 'two' };
    await broker.create(`/definitions/${path}`, {
      rotation: { connection, strategy: 'webhook', options, takeover: 'confirmed' },
    });
  }

  async function ask(path: string, verb: string): Promise<number> {
    const { installation, operator: token } = broker;
    const asked = `/api/v1/rotations/${path}:${verb}`;
    return (await installation.callUntilTaken('POST', asked, { token, body: {} })).status;
  }

  async function status(path: string): Promise<Status> {
    const { installation, operator: token } = broker;
    const { json } = await installation.call('GET', `/api/v1/rotations/${path}`, { token });
    return json as unknown as Status;
  }

  async function parked(path: string): Promise<Status> {
    return eventually('it is parked', async () => {
      const shown = await status(path);
      return shown.active?.state === 'parked' ? shown : undefined;
    });
  }

  it('backs off, is parked with the state of the target, and does not stop other rotations (F11)', async () => {
    target.instead = ({ target: place, step }) =>
      place.includes('poison') && step === 'set'
        ? { outcome: 'failed', reason: 'target_unavailable' }
        : undefined;
    expect(await ask('own/poison', 'run')).toBe(202);
    for (const path of WELL) expect(await ask(path, 'run')).toBe(202);
    await until('the others have rotated', async () => {
      const all = await Promise.all(WELL.map(status));
      return all.every(({ active }) => active === undefined);
    });
    const { active, target: probe, failures } = await parked('own/poison');
    expect(active).toMatchObject({ step: 'set', attempts: 6, lastError: 'target_unavailable' });
    expect(failures).toBe(6);
    expect(probe).toEqual({ current: 'accepted', pending: 'refused' });
    expect(await broker.metric('quaymaster_rotations{state="parked"}')).toBe(1);
    const tries = target.steps('set').filter(({ target: place }) => place.includes('poison'));
    expect(tries).toHaveLength(6);
    expect(new Set(tries.map(({ rotation }) => rotation)).size).toBe(1);
    expect(WELL.every((path) => target.steps('set').some(isAt(path)))).toBe(true);
  });

  it('resumes when it is retried after the target was repaired (F11)', async () => {
    target.instead = undefined;
    expect(await ask('own/poison', 'run')).toBe(409);
    expect(await ask('own/poison', 'retry')).toBe(202);
    await until('it is over', async () => (await status('own/poison')).active === undefined);
    expect((await status('own/poison')).failures).toBe(0);
  });

  it.each([
    ['accepts every password', { outcome: 'accepted' }, 'refused_accepts_anything'],
    ['answers with too many bytes', { outcome: 'accepted', password: 'x' }, 'answer'],
    ['answers in its own words', { outcome: 'failed', reason: 'hunter2' }, 'answer'],
  ])(
    'shows a clear reason, keeps the value and is aborted, when the receiver %s (R07)',
    async (_title, answer, reason) => {
      target.instead = ({ target: place, step }) =>
        place.includes('liar') && step === 'test' ? answer : undefined;
      expect(await ask('own/liar', 'run')).toBe(202);
      await until('its error is shown', async () => {
        return (await status('own/liar')).active?.lastError === reason;
      });
      expect(broker.installation.output).not.toContain('hunter2');
      expect(await ask('own/liar', 'abort')).toBe(202);
      await until('it is over', async () => (await status('own/liar')).active === undefined);
      target.instead = undefined;
      expect(target.steps('discard').filter(isAt('own/liar')).length).toBeGreaterThan(0);
      expect(target.accepts(placeOf('own/liar'), 'first')).toBe(true);
      expect(await version('own/liar')).toBe('1');
    },
  );

  it('is refused with a pointer before it is defined, for any problem (R08)', async () => {
    const { installation, operator: token } = broker;
    const refusals = await Promise.all(
      Object.entries(WRONG).map(async ([pointer, rotation]) => {
        const { status: code, json } = await installation.call(
          'PUT',
          '/api/v1/definitions/own/wrong',
          { token, body: { rotation }, headers: { 'if-none-match': '*' } },
        );
        const problems = json['problems'] as readonly { readonly pointer: string }[] | undefined;
        return { pointer, code, found: problems?.[0]?.pointer };
      }),
    );
    for (const { pointer, code, found } of refusals) {
      expect([pointer, code]).toEqual([pointer, 400]);
      expect(found).toContain(pointer);
    }
    const asked = '/api/v1/definitions/own/wrong';
    expect((await installation.call('GET', asked, { token })).status).toBe(404);
  });

  async function version(path: string): Promise<string> {
    const session = await broker.logInEarly({ at: epoch + (Date.now() - epoch) * SPEED });
    const { json } = await broker.read(session, path);
    return String(json['version']);
  }
});

const WRONG = {
  '/rotation/schedule/cron': { schedule: { cron: '61 * * * *' } },
  '/rotation/windows': {
    schedule: { cron: '0 3 * * 1', timeZone: 'UTC' },
    windows: [{ days: ['sun'], from: '02:00', to: '04:00', timeZone: 'UTC' }],
  },
  '/rotation/connection': { connection: 'absent', strategy: 'webhook' },
  '/rotation/strategy': { connection: 'portal', strategy: 'telepathy' },
  '/rotation/options': { connection: 'portal', strategy: 'webhook', options: { slots: 'two' } },
};

function isAt(path: string): (delivered: { readonly target: string }) => boolean {
  return ({ target }) => target === placeOf(path);
}

function placeOf(path: string): string {
  return `accounts/${path.replace('/', '-')}`;
}
