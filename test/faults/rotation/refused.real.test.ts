import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../../kit/backends/backends.ts';
import { until } from '../../kit/backends/until.ts';
import { CommitProxy } from '../../kit/rotation/commit-proxy.ts';
import { makePostgresPlace, type PostgresPlace } from '../../kit/databases/postgres-fixture.ts';
import { RotatingBroker } from '../../kit/rotation/rotating-broker.ts';
import { postgresUsers, verifiers, type PostgresUser } from '../../kit/rotation/postgres-user.ts';

/** Back-off of ten seconds passes in one. */
const SPEED = 10;
const GRANTS = { grants: [{ on: 'public.orders', privileges: ['SELECT'] }] };
const PATHS = {
  alternating: 'own/alternating',
  single: 'own/single',
  granted: 'own/granted',
  refused: 'own/refused',
} as const;

const MISSING = 'refused_grants_missing: SELECT on public.orders';

describeWith(['postgres'], 'a rotation at a target that refuses', ({ postgres }) => {
  let broker: RotatingBroker;
  let proxy: CommitProxy;
  let place: PostgresPlace;

  beforeAll(async () => {
    proxy = await CommitProxy.start(postgres.port);
    place = await makePostgresPlace(postgres);
    const users: readonly PostgresUser[] = [
      { path: PATHS.alternating, strategy: 'alternating-users' },
      { path: PATHS.single, strategy: 'single-user' },
      { path: PATHS.granted, strategy: 'alternating-users', options: GRANTS },
      { path: PATHS.refused, strategy: 'single-user', options: GRANTS },
    ];
    await place.query('CREATE TABLE public.orders (id int)');
    const rotating = await postgresUsers(place, users, proxy.port);
    broker = await RotatingBroker.start(rotating, {}, { epoch: Date.now(), speed: SPEED });
  });
  afterAll(async () => {
    await (broker as RotatingBroker | undefined)?.remove();
    await place.close();
    await proxy.close();
  });

  it.each(['single', 'alternating'] as const)(
    'checks whether a step was done before it repeats the step, when the answer is lost: %s (I12, F06)',
    async (name) => {
      const path = PATHS[name];
      const before = await broker.current(path);
      proxy.cut = 'answer';
      expect(await broker.ask(path)).toBe(202);
      await until('an answer is lost', () => Promise.resolve(proxy.cut === undefined));
      const set = await verifiers(place);
      await broker.untilEnded(path);
      const after = await broker.current(path);
      const username = after.data['username'] as string;
      expect((await verifiers(place)).get(username)).toBe(set.get(username));
      expect(await broker.logsIn(path, after.data)).toBe(true);
      expect(await broker.logsIn(path, before.data)).toBe(false);
      const [rotation] = await broker.history(path);
      const said = rotation?.steps.map(({ step, outcome }) => `${step} ${outcome}`);
      const failed = said?.filter((text) => text.endsWith(' failed'));
      expect(new Set(failed)).toEqual(new Set(['set failed']));
      expect(said?.filter((text) => text === 'create done')).toHaveLength(1);
      expect(Number(after.version)).toBe(Number(before.version) + 1);
    },
  );

  it('moves no label while the test is refused, and resumes when the grant exists (F04)', async () => {
    const path = PATHS.granted;
    const before = await broker.current(path);
    expect(await broker.ask(path)).toBe(202);
    await until('the test is refused', async () => {
      return (await broker.active(path))?.lastError === MISSING;
    });
    expect(await broker.current(path)).toEqual(before);
    expect(await broker.logsIn(path, before.data)).toBe(true);
    await place.query('GRANT SELECT ON public.orders TO PUBLIC');
    await broker.untilEnded(path);
    const after = await broker.current(path);
    expect(await broker.logsIn(path, after.data)).toBe(true);
    expect(await broker.logsIn(path, before.data)).toBe(false);
    await place.query('REVOKE SELECT ON public.orders FROM PUBLIC');
  });

  it('restores the old login when a single user whose test is refused is aborted (F04)', async () => {
    const path = PATHS.refused;
    const before = await broker.current(path);
    expect(await broker.ask(path)).toBe(202);
    await until('the test is refused', async () => {
      return (await broker.active(path))?.lastError === MISSING;
    });
    expect(await broker.current(path)).toEqual(before);
    expect(await broker.ask(path, 'abort')).toBe(202);
    await broker.untilEnded(path);
    expect(await broker.current(path)).toEqual(before);
    expect(await broker.logsIn(path, before.data)).toBe(true);
    expect((await broker.history(path))[0]?.state).toBe('aborted');
  });
});
