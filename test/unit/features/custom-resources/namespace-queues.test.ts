import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  readClusterObject,
  RESOURCES,
  type ClusterObject,
} from '../../../../src/features/custom-resources/cluster-object.ts';
import {
  NamespaceQueues,
  type WaitingObject,
} from '../../../../src/features/custom-resources/namespace-queues.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

const POLICY = RESOURCES.find(({ kind }) => kind === 'policy')!;

let clock: HandClock;
let queues: NamespaceQueues;
/** Copies in their order, as `namespace/name@generation`. */
let copied: string[] = [];
let ends: (() => void)[] = [];
let postponed: ClusterObject[] = [];

beforeEach(() => {
  clock = new HandClock();
  copied = [];
  ends = [];
  postponed = [];
  queues = new NamespaceQueues(clock, { copy, postpone: (each) => postponed.push(each) });
});

async function copy({ object }: WaitingObject): Promise<void> {
  copied.push(`${object.namespace}/${object.name}@${object.generation}`);
  await new Promise<void>((resolve) => ends.push(resolve));
}

function object(
  namespace: string,
  name: string,
  generation = 1,
  spec: unknown = {},
): ClusterObject {
  const metadata = { namespace, name, uid: name, generation };
  return readClusterObject(POLICY, { metadata, spec });
}

/** @returns whether the state is kept */
function put(each: ClusterObject): boolean {
  queues.put({ object: each, attempts: 0 });
  return !postponed.includes(each);
}

/** Finishes the copies that run, and lets the next ones begin. */
async function finish(rounds = 1): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    for (const end of ends.splice(0)) end();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('the queues of custom resources', () => {
  it('copy the change of another namespace at once, beside 1,000 changes of one (CR10)', async () => {
    for (let at = 0; at < 1_000; at += 1) put(object('noisy', `p${at}`));
    put(object('quiet', 'shop'));
    await finish();
    expect(copied.slice(0, 3)).toContain('quiet/shop@1');
  });

  it('copy only the newest state of an object that changes 1,000 times (CR10)', async () => {
    for (let generation = 1; generation <= 1_000; generation += 1)
      put(object('noisy', 'faulty', generation));
    await finish(5);
    expect(copied).toEqual(['noisy/faulty@1', 'noisy/faulty@1000'].slice(-copied.length));
    expect(copied.at(-1)).toBe('noisy/faulty@1000');
  });

  it('run one change of a namespace at a time, and a deletion before those that wait', async () => {
    for (const name of ['a', 'b', 'c']) put(object('pay', name));
    await finish(0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(copied).toHaveLength(1);
    const removed = queues.inTurn('pay', () => {
      copied.push('deletion');
      return Promise.resolve();
    });
    await finish();
    await removed;
    expect(copied[1]).toBe('deletion');
    await finish(3);
    expect(copied).toHaveLength(4);
  });

  it('give each namespace a rate, which a deletion does not wait for', async () => {
    for (let at = 0; at < 1_000; at += 1) {
      put(object('noisy', `p${at}`));
      await finish(2);
    }
    expect(copied).toHaveLength(1_000);
    put(object('noisy', 'late'));
    put(object('other', 'shop'));
    await finish(2);
    expect(copied.slice(1_000)).toEqual(['other/shop@1']);
    await queues.inTurn('noisy', () => Promise.resolve());
    clock.advance(1_000);
    await finish(2);
    expect(copied.at(-1)).toBe('noisy/late@1');
  });

  it('keep a bounded number of objects and bytes for each namespace', () => {
    const accepted = (name: (at: number) => string, spec: unknown): number =>
      Array.from({ length: 1_500 }, (_, at) => put(object(name(0), `p${at}`, 1, spec))).filter(
        Boolean,
      ).length;
    expect(accepted(() => 'many', {})).toBeLessThanOrEqual(1_001);
    const large = { text: 'x'.repeat(65_000) };
    expect(accepted(() => 'large', large)).toBeLessThan(140);
    expect(put(object('other', 'shop'))).toBe(true);
  });

  it('keep a bounded number in all, and postpone those of the namespaces with the most', () => {
    const fill = (namespace: string): void => {
      for (let at = 0; at < 1_000; at += 1) put(object(namespace, `p${at}`));
    };
    for (let at = 0; at < 12; at += 1) fill(`noisy-${at}`);
    // Eight of each of eight namespaces run, and each other one counts once.
    expect(postponed.length).toBeGreaterThan(1_900);
    expect(put(object('quiet', 'shop'))).toBe(true);
    expect(postponed.at(-1)).toMatchObject({ namespace: expect.stringMatching(/^noisy-/) });
    const counts = Map.groupBy(postponed, ({ namespace }) => namespace);
    expect(counts.get('quiet')).toBeUndefined();
    const before = postponed.length;
    const large = object('late', 'large', 1, { text: 'x'.repeat(1_000_000) });
    expect(put(large)).toBe(true);
    expect(postponed.length).toBeLessThan(before + 3);
  });

  it('count what a status says among the bytes of an object', () => {
    const metadata = { namespace: 'pay', name: 'a', uid: 'a', generation: 1 };
    const conditions = [{ message: 'x'.repeat(9_000_000) }];
    put(object('pay', 'first'));
    expect(put(readClusterObject(POLICY, { metadata, spec: {}, status: { conditions } }))).toBe(
      false,
    );
  });

  it('drop the state of an object that is gone', async () => {
    put(object('pay', 'a'));
    put(object('pay', 'b'));
    queues.drop(object('pay', 'b'));
    await finish(3);
    expect(copied).toEqual(['pay/a@1']);
    await queues.idle();
  });
});
