import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { controlRotation } from '../../../src/rotation/control-rotation.ts';
import { checkSettled } from '../../../src/rotation/settle.ts';
import { requestRotation } from '../../../src/rotation/request-rotation.ts';
import { readSecret } from '../../../src/broker/secrets/read-secrets.ts';
import type { LiveSession } from '../../../src/broker/state/session-memory.ts';
import { BrokerError } from '../../../src/domain/errors.ts';
import { mount } from '../../kit/broker/test-broker.ts';
import { RotationBench } from '../../kit/rotation/rotation-bench.ts';
import { listRows } from '../../kit/store/table-rows.ts';

const PATH = 'kv/db';
const MINUTE = 60_000;
let bench: RotationBench;
let live: LiveSession;

beforeEach(async () => {
  bench = await RotationBench.open({ paused: true });
  const { broker, admin } = bench;
  await broker.put(admin, 'mount', 'kv', mount('kv', { publishes: true }));
  broker.backend.secrets.set(PATH, { data: { username: 'u', password: 'old' }, version: '1' });
  broker.target.allow({ username: 'u', password: 'old' });
  await bench.define({ options: { user: 'u' }, retire: 'manual' }, PATH);
  live = await broker.logIn();
});
afterEach(async () => bench.close());

async function read(): Promise<{ readonly version: string; readonly text: string }> {
  const { value } = await readSecret(bench.broker.parts, bench.broker.call(), live, { path: PATH });
  return { version: value.version, text: value.json.toString() };
}

async function request(incident = false): Promise<string> {
  const { parts } = bench.broker;
  const order = { path: PATH, kind: 'rotation', incident } as const;
  return (await requestRotation(parts, bench.broker.call(), bench.admin, order)).id;
}

async function direct(verb: 'abort' | 'rollBack' | 'retire'): Promise<void> {
  await controlRotation(bench.broker.parts, bench.broker.call(), bench.admin, { path: PATH, verb });
}

describe('a rotation of a secret at a backend', () => {
  it('is visible to the next read, although the old value was cached', async () => {
    expect((await read()).text).toContain('"old"');
    bench.work();
    const id = await request();
    await bench.pass(MINUTE);
    expect(await read()).toEqual({
      version: `v-${id}`,
      text: JSON.stringify({ username: 'u', password: 'p1' }),
    });
    expect(await bench.latest(PATH)).toMatchObject({ previous_version: '1', version: `v-${id}` });
  });

  it('names the backend locator in each audit entry', async () => {
    bench.work();
    const entries = await bench.broker.entriesOf(async () => {
      await request();
      await bench.pass(MINUTE);
      await direct('retire');
      await bench.pass(MINUTE);
    });
    const said = entries.filter(({ action }) => action.startsWith('rotation.'));
    expect(new Set(said.map(({ action }) => action))).toEqual(
      new Set(['rotation.request', 'rotation.step', 'rotation.retire', 'rotation.end']),
    );
    expect(new Set(said.map(({ locator }) => locator))).toEqual(new Set([`vault:${PATH}`]));
  });

  it('publishes again with the same token when the answer is lost', async () => {
    let isLost = false;
    bench.broker.backend.during = (step) => {
      if (isLost || step !== 'publish') return;
      isLost = true;
      throw new BrokerError('ERR_PROVIDER_TIMEOUT');
    };
    bench.work();
    const id = await request();
    await bench.pass(2 * MINUTE);
    expect(await bench.latest(PATH)).toMatchObject({ step: 'settle', version: `v-${id}` });
    expect(bench.broker.backend.calls.filter((call) => call === `publish:${id}`)).toHaveLength(2);
  });

  it('makes the old value current again when aborted after an unconfirmed publication', async () => {
    let isDown = false;
    bench.broker.backend.during = (step) => {
      isDown ||= step === 'publish';
      if (isDown) throw new BrokerError('ERR_PROVIDER_UNAVAILABLE');
    };
    bench.work();
    await request();
    await bench.pass(60 * MINUTE);
    expect(await bench.latest(PATH)).toMatchObject({ state: 'parked', step: 'promote' });
    bench.broker.backend.during = () => undefined;
    await direct('abort');
    await bench.pass(MINUTE);
    expect(await bench.latest(PATH)).toMatchObject({ state: 'aborted' });
    expect(bench.broker.backend.secrets.get(PATH)?.data).toEqual({
      username: 'u',
      password: 'old',
    });
    expect(bench.broker.target.accepted.get('u')).toEqual(new Set(['old']));
  });

  it('expires the leases on the old version when it is retired', async () => {
    await read();
    bench.work();
    await request();
    await bench.pass(MINUTE);
    expect(await bench.latest(PATH)).toMatchObject({ step: 'settle' });
    await direct('retire');
    await bench.pass(MINUTE);
    const leases = await listRows(bench.broker.store, 'leases', {
      equals: { path: PATH },
      limit: 10,
    });
    expect(leases.map(({ state, cause }) => [state, cause])).toEqual([['ended', 'superseded']]);
    expect(bench.broker.target.works({ username: 'u', password: 'old' })).toBe(false);
  });

  it.each([
    ['another place', { generation: 'elsewhere' }],
    ['a value from before the rotation', { issued_at: 1 }],
  ])('expires a lease on %s whose version has the same name', async (_what, change) => {
    bench.work();
    await request();
    await bench.pass(MINUTE);
    await read();
    const { store } = bench.broker;
    const leases = () => listRows(store, 'leases', { equals: { path: PATH }, limit: 10 });
    const [lease] = await leases();
    const put = { ...lease!, ...change, id: 'lea_other', session_id: 'ses_other' };
    await store.commit({ writes: [{ table: 'leases', put }] });
    await direct('retire');
    await bench.pass(MINUTE);
    expect((await leases()).map(({ id, state }) => [id, state]).sort()).toEqual(
      [
        [lease?.id, 'live'],
        ['lea_other', 'ended'],
      ].sort(),
    );
  });

  it.each([
    ['another place', { generation: 'elsewhere' }, false],
    ['a value from before the rotation', { issued_at: 1 }, false],
    ['the promoted version', {}, true],
  ])('waits for a lease on %s: settled is %j %j', async (_what, change, isSettled) => {
    await bench.define({ options: { user: 'u' }, retire: 'afterAcks' }, PATH);
    await read();
    bench.work();
    await request();
    await bench.pass(MINUTE);
    const { store, parts } = bench.broker;
    const row = await bench.latest(PATH);
    expect(row).toMatchObject({ step: 'settle' });
    const [lease] = await listRows(store, 'leases', { equals: { path: PATH }, limit: 1 });
    const put = { ...lease!, version: row.version!, issued_at: row.created_at, ...change };
    await store.commit({ writes: [{ table: 'leases', put }] });
    expect(await checkSettled(parts, row)).toMatchObject({ settled: isSettled });
  });

  it('creates the first value of an empty path', async () => {
    bench.broker.backend.secrets.delete(PATH);
    bench.work();
    await request();
    await bench.pass(MINUTE);
    expect(await bench.latest(PATH)).toMatchObject({ state: 'done', previous_version: null });
    expect((await read()).text).toContain('"p1"');
  });

  it('stops waiting for holders when it becomes one for an incident', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    bench.broker.target.before = (step) => (step === 'test' ? promise : undefined);
    bench.work();
    await request();
    await bench.rest();
    await request(true).catch(() => undefined);
    resolve(undefined);
    await bench.pass(MINUTE);
    expect(await bench.latest(PATH)).toMatchObject({ state: 'done', cause: 'incident' });
  });

  it('is released when the process stops, and resumed by the next at once', async () => {
    let isHanging = true;
    bench.broker.target.before = (step) =>
      step === 'set' && isHanging ? new Promise(() => undefined) : undefined;
    const first = bench.work();
    await request();
    await bench.rest();
    await first.stop();
    isHanging = false;
    expect(await bench.latest(PATH)).toMatchObject({ owner: null, step: 'set', attempts: 0 });
    bench.work();
    await bench.pass(1_000);
    expect(await bench.latest(PATH)).toMatchObject({ step: 'settle', state: 'running' });
  });
});
