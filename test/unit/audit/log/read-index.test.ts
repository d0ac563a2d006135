import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { loggedReaders, loggedReads } from '../../../../src/audit/log/logged-reads.ts';
import { COVERAGE_KEY } from '../../../../src/audit/log/read-index.ts';
import { KEPT_MS } from '../../../../src/audit/log/read-index-upkeep.ts';
import { Scrubber } from '../../../../src/audit/upkeep/scrubber.ts';
import { sha256Hex } from '../../../../src/crypto/hashes/digest.ts';
import { encodeActor } from '../../../../src/domain/audit/audit-event.ts';
import type { LoggedReads, ReadersWanted } from '../../../../src/ports/audit-log.ts';
import { systemClock } from '../../../../src/process/clock.ts';
import { LogBench, workloadActor, type EventFields } from '../../../kit/log/log-bench.ts';
import { listRows } from '../../../kit/store/table-rows.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

const START = Date.UTC(2026, 0, 1);

let clock: HandClock;
let bench: LogBench;

beforeEach(async () => {
  clock = new HandClock(START);
  bench = await LogBench.open(clock);
});
afterEach(() => bench.remove());

const web = workloadActor('web');
const POD = { kind: 'pod', subject: 'c1/uid-web-pod' } as const;

function reads(wanted: ReadersWanted = POD): Promise<LoggedReads> {
  return loggedReads(bench.store, bench.reader, wanted);
}

async function pathsOf(wanted?: ReadersWanted): Promise<readonly string[]> {
  return (await reads(wanted)).reads.map(({ path }) => path);
}

async function record(count: number, fields: EventFields): Promise<void> {
  for (let done = 0; done < count; done += 50)
    await bench.record(...Array.from({ length: Math.min(50, count - done) }, () => fields));
}

describe('the read index (RS16)', () => {
  it('has the first and the last read of a path, between 2,000 reads of another', async () => {
    await bench.record({ actor: web, path: 'own/crown', version: '3', time: START + 1_000 });
    await record(2_000, { actor: web, path: 'own/worthless', time: START + 2_000 });
    await bench.record({ actor: web, path: 'own/worthless', version: '9', time: START + 3_000 });
    await bench.integrate();
    const { reads: found, unread } = await reads();
    expect(unread).toEqual([]);
    expect(found).toMatchObject([
      { path: 'own/crown', versions: ['3'], firstAt: START + 1_000, firstIndex: 1, lastIndex: 1 },
      { path: 'own/worthless', versions: ['9'], lastAt: START + 3_000, lastIndex: 2_002 },
    ]);
    expect(await listRows(bench.store, 'log_reads', { limit: 10 })).toHaveLength(2);
  });

  it('counts issued credentials, and neither refusals nor other actions', async () => {
    await bench.record(
      { actor: web, path: 'own/dynamic', action: 'credential.issue', version: undefined },
      { actor: web, path: 'own/denied', outcome: 'deny', code: 'ERR_DENIED' },
      { actor: web, path: 'own/written', action: 'secret.write' },
      { path: 'own/by-the-broker' },
    );
    await bench.integrate();
    expect(await pathsOf()).toEqual(['own/dynamic']);
    expect(await listRows(bench.store, 'log_reads', { limit: 10 })).toHaveLength(1);
  });

  it('finds reads by workload, operator, token, node and path', async () => {
    const account = { cluster: 'c1', namespace: 'n', serviceAccount: 's', serviceAccountUid: 'u' };
    const workload = {
      ...account,
      pod: { name: 'p', uid: 'p-uid' },
      node: { name: 'node-1', uid: 'x' },
    };
    const pod = encodeActor({ kind: 'workload', workload, session: 'ses_1' }, sha256Hex);
    const job = { cluster: 'ci', identity: ['build'], claims: {} };
    const outside = encodeActor(
      { kind: 'workload', workload: job as never, session: 'ses_2' },
      sha256Hex,
    );
    const tokens = ['tok_1', 'tok_2'].map((token) =>
      encodeActor({ kind: 'operator', operator: 'ada', token }, sha256Hex),
    );
    await bench.record(
      { actor: pod, path: 'a/pod' },
      { actor: outside, path: 'a/ci' },
      ...tokens.map((actor, i) => ({ actor, path: `a/token-${i + 1}` })),
    );
    await bench.integrate();
    expect(await pathsOf({ kind: 'workload', subject: 'k8s://c1/n/s' })).toEqual(['a/pod']);
    expect(await pathsOf({ kind: 'node', subject: 'c1/node-1' })).toEqual(['a/pod']);
    expect(await pathsOf({ kind: 'operator', subject: 'ada' })).toEqual(['a/token-1', 'a/token-2']);
    expect(await pathsOf({ kind: 'token', subject: 'tok_2' })).toEqual(['a/token-2']);
    expect(await pathsOf({ kind: 'workload', subject: 'ci://ci/build' })).toEqual(['a/ci']);
    const readers = await loggedReaders(bench.store, 'a/pod', 10);
    expect(readers).toMatchObject([
      { podSubject: 'c1/p-uid', pod: { namespace: 'n', name: 'p' }, node: 'c1/node-1' },
    ]);
  });

  it('keeps the first read across restarts, and takes the entries of the crashed boot', async () => {
    await bench.record({ actor: web, path: 'own/a', time: START + 1 });
    await bench.integrate();
    await bench.record({ actor: web, path: 'own/b', time: START + 2 });
    await bench.stop();
    await bench.restart();
    await bench.record({ actor: web, path: 'own/a', version: '2', time: START + 3 });
    await bench.integrate();
    expect((await reads()).reads).toMatchObject([
      { path: 'own/a', firstAt: START + 1, lastAt: START + 3, versions: ['2'] },
      { path: 'own/b', firstAt: START + 2 },
    ]);
  });

  it('is built again from the log after its row was removed, and names the part it lacks until then', async () => {
    await record(300, { actor: web, path: 'own/a' });
    await bench.integrate();
    await bench.store.commit({
      writes: [
        { table: 'meta', remove: { key: COVERAGE_KEY } },
        { table: 'log_reads', remove: { reader: 'pod:c1/uid-web-pod' } },
      ],
    });
    expect(await reads()).toMatchObject({
      reads: [],
      unread: [{ first: 0, end: 301, isArchived: false }],
    });
    await bench.stop();
    await bench.restart();
    await bench.integrate();
    expect((await reads()).unread).toMatchObject([{ first: 0, isArchived: false }]);
    await bench.integrate();
    await bench.integrate();
    expect(await reads()).toMatchObject({
      reads: [{ path: 'own/a', firstIndex: 1, lastIndex: 300 }],
      unread: [],
    });
  });

  it('does not count a part that is older than the pod as unread', async () => {
    await record(10, { actor: web, path: 'own/a' });
    await bench.integrate();
    for (let minute = 0; minute < 12; minute += 1) {
      clock.advance(60_000);
      await bench.record({ path: undefined, action: 'broker.stop' });
      await bench.integrate();
    }
    await bench.store.commit({
      writes: [{ table: 'meta', put: { key: COVERAGE_KEY, value: '5 23' } }],
    });
    expect((await reads()).unread).toMatchObject([{ first: 0, end: 5 }]);
    expect((await reads({ ...POD, begunAt: clock.now() })).unread).toEqual([]);
  });

  it('moves the reads of a pod that is gone to its workload, and keeps those of a pod that read lately', async () => {
    const old = workloadActor('web', 'old-pod');
    await bench.record(
      { actor: old, path: 'own/a', time: START },
      { actor: web, path: 'own/b', time: START },
    );
    await bench.integrate();
    clock.advance(KEPT_MS + 1_000);
    await bench.record({ actor: web, path: 'own/c', time: clock.now() });
    await bench.integrate();
    clock.advance(86_400_000);
    await bench.integrate();
    expect(await pathsOf({ kind: 'pod', subject: 'c1/uid-old-pod' })).toEqual([]);
    expect(await pathsOf()).toEqual(['own/b', 'own/c']);
    const all = await pathsOf({ kind: 'workload', subject: 'k8s://c1/ns-web/web' });
    expect(all.toSorted()).toEqual(['own/a', 'own/b', 'own/c']);
    await bench.record({ actor: old, path: 'own/d', time: clock.now() });
    await bench.integrate();
    expect(await pathsOf({ kind: 'pod', subject: 'c1/uid-old-pod' })).toEqual(['own/d']);
  });

  async function scrub(): Promise<number> {
    let differences = 0;
    const fail = (error: unknown): void => {
      throw error as Error;
    };
    const scrubber = new Scrubber({
      store: bench.store,
      reader: bench.reader,
      logKey: bench.log.verifier.key,
      clock: { ...systemClock, now: () => clock.now(), sleep: () => Promise.resolve() },
      claims: bench.claims(),
      intervalMs: 1,
      onDamage: fail,
      onAlteredTiles: () => fail(new Error('tiles')),
      onAlteredBatch: fail,
      onReadsDiffer: () => (differences += 1),
      onError: fail,
    });
    await scrubber.walk();
    return differences;
  }

  it('is compared with the log: a row that an attacker removed makes it incomplete, and it is built again', async () => {
    await record(300, { actor: web, path: 'own/a' });
    await bench.integrate();
    expect(await scrub()).toBe(0);
    const removed = { reader: 'pod:c1/uid-web-pod', path: 'own/a' };
    await bench.store.commit({ writes: [{ table: 'log_reads', remove: removed }] });
    expect(await scrub()).toBe(1);
    expect((await reads()).unread).toMatchObject([{ first: 0, end: 301 }]);
    await bench.record({ actor: web, path: 'own/b' });
    await bench.integrator.integrate();
    for (let round = 0; round < 4; round += 1) await bench.integrator.integrate();
    expect(await reads()).toMatchObject({
      reads: [{ path: 'own/a' }, { path: 'own/b' }],
      unread: [],
    });
  });

  it('gets the right time of a last read that a killed process had not written', async () => {
    await record(300, { actor: web, path: 'own/a' });
    await bench.integrate();
    const key = { reader: 'pod:c1/uid-web-pod', path: 'own/a' };
    await bench.store.commit({
      writes: [{ table: 'log_reads', key, change: { last_index: 7, last_at: 0 } }],
    });
    expect(await scrub()).toBe(0);
    expect((await reads()).reads).toMatchObject([{ lastIndex: 300, lastAt: START }]);
  });

  it('is written by one of two brokers at a time, and by both in turn', async () => {
    const [one, two] = [bench.newIntegrator('one', false), bench.newIntegrator('two', false)];
    await one.start();
    await two.start();
    await bench.record({ actor: web, path: 'own/a' });
    await one.integrate();
    await two.integrate();
    await bench.record({ actor: web, path: 'own/b' });
    clock.advance(31_000);
    await two.integrate();
    await one.integrate();
    expect(await pathsOf()).toEqual(['own/a', 'own/b']);
    expect((await reads()).unread).toEqual([]);
    await one.close();
    await two.close();
  });
});
