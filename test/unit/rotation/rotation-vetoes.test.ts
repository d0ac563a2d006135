import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { acknowledgeVersions } from '../../../src/rotation/acknowledge.ts';
import { endOwnSession } from '../../../src/broker/leases/end-session.ts';
import { readSecret } from '../../../src/broker/secrets/read-secrets.ts';
import { requestRotation } from '../../../src/rotation/request-rotation.ts';
import type { LiveSession } from '../../../src/broker/state/session-memory.ts';
import { PATH, RotationBench } from '../../kit/rotation/rotation-bench.ts';
import { listRows } from '../../kit/store/table-rows.ts';

let bench: RotationBench;

beforeEach(async () => {
  bench = await RotationBench.open({ retire: 'afterGrace', grace: '1h' });
  bench.work();
});
afterEach(() => bench.close());

const pod = (name: string, serviceAccount = 'api') =>
  bench.broker.logIn({ serviceAccount, pod: { name, uid: `uid-${name}` } });

async function read(live: LiveSession): Promise<string> {
  const { parts } = bench.broker;
  return (await readSecret(parts, bench.broker.call(), live, { path: PATH })).value.version;
}

async function say(live: LiveSession, outcome: 'ok' | 'failed' = 'failed'): Promise<void> {
  const version = await read(live);
  const { parts } = bench.broker;
  await acknowledgeVersions(parts, bench.broker.call(), live, [{ path: PATH, version, outcome }]);
  await bench.pass(2_000);
}

async function run(incident = false): Promise<void> {
  const order = { path: PATH, kind: 'rotation', incident, comment: 'test' } as const;
  await requestRotation(bench.broker.parts, bench.broker.call(), bench.admin, order);
  await bench.pass(2_000);
}

/** One rotation that two pods of a workload report as failed. */
async function attacked(...pods: readonly LiveSession[]): Promise<string> {
  bench.broker.clock.advance(60_000);
  await run();
  for (const live of pods) await say(live);
  const { state, step } = await bench.latest();
  return state === 'running' ? step : state;
}

describe('a report that a new version does not work', () => {
  it('counts while its session lives and holds the version', async () => {
    expect(await attacked(await pod('a'), await pod('b'))).toBe('rolled_back');
  });

  it('does not count once its pod is gone (ED08)', async () => {
    const [first, second] = [await pod('a'), await pod('b')];
    await run();
    await say(first);
    await endOwnSession(bench.broker.parts, bench.broker.call(), first);
    await say(second);
    expect(await bench.latest()).toMatchObject({ state: 'running', step: 'settle' });
  });

  it('does not count if it is about an earlier rotation', async () => {
    const [first, second] = [await pod('a'), await pod('b')];
    await run();
    const version = await read(first);
    const at = (await bench.latest()).created_at - 1;
    await say(first);
    await bench.broker.store.real.commit({
      writes: [
        {
          table: 'acknowledgements',
          key: { session_id: first.session.id, path: PATH },
          change: { at, version },
        },
      ],
    });
    await say(second);
    expect(await bench.latest()).toMatchObject({ state: 'running', step: 'settle' });
  });

  it('counts once for a pod, however many sessions it opens', async () => {
    const sessions = [await pod('a'), await pod('a'), await pod('a')];
    expect(await attacked(...sessions)).toBe('settle');
  });
});

describe('a workload that rolls rotations back', () => {
  it('is named in the log and the history, and counts as a failure (ED08)', async () => {
    const [first, second] = [await pod('a'), await pod('b')];
    const entries = await bench.broker.entriesOf(() => attacked(first, second));
    const workload = first.workloadId;
    expect(entries.filter(({ action }) => action === 'rotation.veto')).toMatchObject([
      { path: PATH, workload, step: 'settle' },
    ]);
    const steps = await listRows(bench.broker.store, 'rotation_steps', {
      equals: { rotation_id: (await bench.latest()).id },
      orderBy: ['seq'],
      limit: 100,
    });
    const said = steps.map(({ actor, error }) => `${actor} ${error ?? ''}`);
    expect(said).toContain(`${workload} vetoed`);
    expect(said).toContain('rotation holders_failed');
    expect((await bench.schedule())?.failures).toBe(1);
    const logged = JSON.stringify(bench.broker.logged);
    expect(logged).toContain('the rotation is rolled back');
    expect(bench.broker.parts.vetoes.count).toBe(1);
  });

  it('can do so at most twice in a row (ED08)', async () => {
    const pods = [await pod('a'), await pod('b')];
    expect(await attacked(...pods)).toBe('rolled_back');
    expect(await attacked(...pods)).toBe('rolled_back');
    expect(await attacked(...pods)).toBe('settle');
    await bench.pass(3_700_000);
    expect((await bench.latest()).state).toBe('done');
    expect(JSON.stringify(bench.broker.logged)).toContain('no longer count');
  });

  it('does not use up the vetoes of another workload', async () => {
    const [a, b] = [await pod('a'), await pod('b')];
    const [c, d] = [await pod('c', 'other'), await pod('d', 'other')];
    expect(await attacked(a, b)).toBe('rolled_back');
    expect(await attacked(a, b)).toBe('rolled_back');
    expect(await attacked(c, d)).toBe('rolled_back');
    expect(await attacked(a, b)).toBe('rolled_back');
  });

  it('cannot roll back a rotation for an incident', async () => {
    const [first, second] = [await pod('a'), await pod('b')];
    await run(true);
    await say(first);
    await say(second);
    expect((await bench.latest()).state).toBe('done');
  });
});
