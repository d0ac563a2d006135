import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { describeWith } from '../../kit/backends/backends.ts';
import { createDatabase, type TestDatabase } from '../../kit/backends/postgres.ts';
import { until } from '../../kit/backends/until.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';
import { isStandingStill } from '../../kit/rotation/at-points.ts';
import { postgresLog } from '../../kit/log/stored-log.ts';
import { AccountReceiver } from '../../kit/rotation/account-receiver.ts';

/** Secrets that are due at one moment. */
const DUE = Number(process.env['DUE'] ?? 500);
const AT_ONCE = 20;
/** A claim of a minute expires in six seconds, a step in three. */
const SPEED = 10;
const DAY_MS = 86_400_000;
/** Concurrent rotations of `portal`, in both processes together. */
const CAP = 3;
const CAPPED = 24;
/** One process runs at most 64 rotations, so both processes are needed when all of these are due. */
const PORTALS = Array.from({ length: 8 }, (_, n) => `portal-${n}`);
const FREE = { perSecond: 1_000_000, burst: 10_000_000 };

/**
 * The moments at which the owner is paused: before the call to the target, after it, and around the commit that makes
 * the new version current.
 */
const POINTS = [
  'rotation.set.after_begun',
  'rotation.set.after_effect',
  'rotation.promote.after_effect',
  'rotation.retire.after_begun',
] as const;

describeWith(['postgres'], 'two brokers that rotate on one PostgreSQL (I6)', ({ postgres }) => {
  let database: TestDatabase;
  let client: pg.Client;
  let target: AccountReceiver;
  let first: PreparedBroker;
  let second: PreparedBroker;

  beforeAll(async () => {
    target = await AccountReceiver.start();
    const portals = Object.fromEntries(
      PORTALS.map((name) => [name, target.connection({ maxRotations: 16 })]),
    );
    database = await createDatabase(postgres);
    client = new pg.Client({ connectionString: database.connectionString });
    await client.connect();
    first = await PreparedBroker.start({
      files: { dsn: database.connectionString },
      config: (directory) => ({
        store: { type: 'postgres', connectionStringFile: `${directory}/dsn` },
        limits: { identityRate: FREE, addressRate: FREE },
        connections: {
          portal: target.connection({ maxRotations: CAP }),
          ...portals,
        },
      }),
    });
    second = await first.replica();
    for (const name of ['stopped', 'other']) await define(name);
  });
  afterAll(async () => {
    await (second as PreparedBroker | undefined)?.remove();
    await (first as PreparedBroker | undefined)?.remove();
    await client.end();
    await database.drop();
    await target.stop();
  });

  async function define(name: string, more: object = {}, connection = 'portal'): Promise<void> {
    await first.write(`own/${name}`, { password: `first of ${name}` });
    const options = { target: `accounts/${name}`, slots: 'two' };
    await first.create(`/definitions/own/${name}`, {
      rotation: { connection, strategy: 'webhook', options, takeover: 'confirmed', ...more },
    });
  }

  async function start(clock: { readonly epoch: number; readonly speed: number }): Promise<void> {
    await first.installation.stop();
    await second.installation.stop();
    await first.startWithFailpoints(clock);
    await second.startWithFailpoints(clock);
  }

  /** Plain columns of the stored row; no request, which would wait for a paused broker. */
  async function rows(text: string, ...values: readonly unknown[]): Promise<readonly unknown[][]> {
    return (await client.query<unknown[]>({ text, values: [...values], rowMode: 'array' })).rows;
  }

  async function ask(broker: PreparedBroker, name: string): Promise<number> {
    const path = `/api/v1/rotations/own/${name}:run`;
    const request = { token: broker.operator, body: {} };
    const { status } = await broker.installation.callUntilTaken('POST', path, request);
    return status;
  }

  async function isOver(name: string): Promise<boolean> {
    const text = 'SELECT active_id IS NULL FROM rotation_schedules WHERE path = $1';
    return (await rows(text, `own/${name}`))[0]?.[0] === true;
  }

  async function doneOf(name: string): Promise<number> {
    const text = `SELECT count(*)::int FROM rotations WHERE path = $1 AND state = 'done'`;
    return Number((await rows(text, `own/${name}`))[0]?.[0]);
  }

  /** The value that a workload reads at `broker`. */
  async function current(broker: PreparedBroker, name: string): Promise<Record<string, unknown>> {
    const { epoch, speed } = clock;
    const session = await broker.logInEarly({ at: epoch + (Date.now() - epoch) * speed });
    const { json } = await broker.read(session, `own/${name}`);
    await broker.installation.call('DELETE', '/api/v1/sessions/self', { token: session });
    return json;
  }

  /** The process that made each due version current: a process has one name for each boot. */
  async function promoters(): Promise<readonly unknown[]> {
    const entries = await postgresLog(database.connectionString);
    return entries
      .filter(({ action, step, cause, path }) => {
        const isPromoted = action === 'rotation.step' && step === 'promote' && cause === 'done';
        return isPromoted && String(path).startsWith('own/due-');
      })
      .map(({ writer }) => writer);
  }

  let clock = { epoch: 0, speed: SPEED };
  beforeAll(async () => {
    clock = { epoch: Date.now(), speed: SPEED };
    await start(clock);
  });

  /** Pauses the first one while it works on a rotation of `stopped`. @returns the number of rotations until then. */
  type Stop = () => Promise<number>;

  async function stopAt(point: string): Promise<number> {
    await first.arm(point, 'stop');
    let asked = 0;
    await until('the owner stands still', async () => {
      // Sometimes the other one is quicker, and no process is paused: then the test requests another rotation.
      if (!(await isStandingStill(first)) && (await isOver('stopped')))
        asked += (await ask(first, 'stopped')) === 202 ? 1 : 0;
      return isStandingStill(first);
    });
    return asked;
  }

  async function stopInCall(): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    let held = 0;
    target.hold = ({ step, target: place }) => {
      if (step !== 'set' || !place.endsWith('/stopped')) return undefined;
      held += 1;
      return held === 1 ? promise : undefined;
    };
    expect(await ask(first, 'stopped')).toBe(202);
    await until('the target is asked', () => Promise.resolve(held === 1));
    first.installation.signal('SIGSTOP');
    await until('the owner stands still', () => isStandingStill(first));
    release = () => resolve(undefined);
    return 1;
  }
  let release = (): void => undefined;

  it.each<readonly [string, Stop]>([
    ...POINTS.map((point) => [point, () => stopAt(point)] as const),
    ['within a call', stopInCall],
  ])(
    'act as one owner: a process that was paused longer than its claim changes nothing any more: %s (F08)',
    async (_where, stop) => {
      const done = await doneOf('stopped');
      const before = await current(first, 'stopped');
      const asked = await stop();
      await until(
        'the other one completes it',
        async () => (await doneOf('stopped')) === done + asked,
      );
      expect(await isStandingStill(first)).toBe(true);
      const after = await current(second, 'stopped');
      expect(Number(after['version'])).toBe(Number(before['version']) + asked);
      const deliveries = target.deliveries.length;

      first.installation.signal('SIGCONT');
      release();
      // It completes rotations that it began before any later request.
      expect(await ask(first, 'other')).toBe(202);
      await until('it works again', () => isOver('other'));
      expect(target.deliveries.slice(deliveries).filter(isOf('stopped'))).toEqual([]);
      const { data, version } = after;
      expect(await current(first, 'stopped')).toMatchObject({ data, version });
      const { password } = data as Record<string, unknown>;
      expect(target.accepts('accounts/stopped', password)).toBe(true);
      expect(await doneOf('stopped')).toBe(done + asked);
    },
  );

  it('run no more rotations of one connection together than its cap (F09)', async () => {
    const names = Array.from({ length: CAPPED }, (_, n) => `capped-${n}`);
    for (const name of names) await define(name);
    target.latencyMs = 30;
    target.mostAtOnce = 0;
    const asked = names.map((name, n) => ask(n % 2 === 0 ? first : second, name));
    expect(new Set(await Promise.all(asked))).toEqual(new Set([202]));
    await until('all have rotated', async () => {
      return (await Promise.all(names.map(doneOf))).every((done) => done === 1);
    });
    target.latencyMs = 0;
    expect(target.mostAtOnce).toBe(CAP);
  });

  it('rotate each of many secrets that are due at one moment once (F07)', async () => {
    await first.installation.stop();
    await first.installation.start();
    const names = Array.from({ length: DUE }, (_, n) => `due-${n}`);
    for (let at = 0; at < DUE; at += AT_ONCE) {
      const some = names.slice(at, at + AT_ONCE);
      const daily = { schedule: { every: '1d' } };
      await Promise.all(some.map((name, n) => define(name, daily, PORTALS[n % PORTALS.length])));
    }
    // A day and an hour later for both, and hardly faster: no step times out while much else runs.
    clock = { epoch: Date.now() - DAY_MS - 3_600_000, speed: 2 };
    await start(clock);
    const text = `SELECT count(*)::int FROM rotations WHERE path LIKE 'own/due-%' AND state = 'done'`;
    for (let done = 0; done < DUE;) {
      await until('more have rotated', async () => Number((await rows(text))[0]?.[0]) > done);
      done = Number((await rows(text))[0]?.[0]);
    }

    const sets = target.steps('set').filter(({ target: place }) => place.includes('/due-'));
    expect(new Set(sets.map(({ target: place }) => place)).size).toBe(DUE);
    expect(sets).toHaveLength(DUE);
    const all = `SELECT path, count(*)::int FROM rotations WHERE path LIKE 'own/due-%' GROUP BY path`;
    const counts = (await rows(all)).map(([, count]) => count);
    expect([counts.length, new Set(counts)]).toEqual([DUE, new Set([1])]);
    const promotions = `SELECT count(*)::int FROM rotation_steps s JOIN rotations r ON r.id = s.rotation_id
       WHERE r.path LIKE 'own/due-%' AND s.step = 'promote' AND s.outcome = 'done'`;
    expect((await rows(promotions))[0]?.[0]).toBe(DUE);
    const owners = await promoters();
    expect(owners).toHaveLength(DUE);
    expect(new Set(owners).size).toBe(2);
  }, 600_000);

  it('keep one valid log', async () => {
    expect(await second.installation.stop()).toBe(0);
    expect(await first.verifiedLog()).toContain('verified: ');
  });
});

function isOf(name: string): (delivered: { readonly target: string }) => boolean {
  return ({ target }) => target === `accounts/${name}`;
}
