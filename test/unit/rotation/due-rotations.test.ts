import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { UNCLAIMED } from '../../../src/rotation/rotation-row.ts';
import { DueRotations } from '../../../src/rotation/due-rotations.ts';
import type { Tables } from '../../../src/ports/tables.ts';
import { TestBroker } from '../../kit/broker/test-broker.ts';

type Row = Tables['rotations'];

let broker: TestBroker;
let due: DueRotations;
beforeEach(async () => {
  broker = await TestBroker.open();
  due = new DueRotations(broker.parts);
});
afterEach(async () => broker.close());

/** A number of due rotations of a connection, the first of them this long ago in milliseconds and each a millisecond later. */
async function keep(connection: string, count: number, ago: number): Promise<void> {
  const first = broker.clock.now() - ago;
  const rows = Array.from({ length: count }, (_, index) => rowOf(connection, index, first + index));
  for (let at = 0; at < count; at += 1_000) {
    const writes = rows.slice(at, at + 1_000).map((put) => ({ table: 'rotations', put }) as const);
    await broker.store.real.commit({ writes });
  }
}

function rowOf(connection: string, index: number, at: number): Row {
  const name = `${connection}-${String(index).padStart(5, '0')}`;
  return {
    ...UNCLAIMED,
    id: name,
    path: `app/${name}`,
    connection,
    next_attempt_at: at,
    created_at: at,
    definition_uid: 'doc_1',
    mount_uid: 'doc_2',
    kind: 'rotation',
    cause: 'schedule',
    comment: null,
    requested_by: 'schedule',
    state: 'running',
    step: 'create',
    attempts: 0,
    last_error: null,
    epoch: 0,
    pending: null,
    previous: null,
    previous_version: null,
    version: null,
    canary: null,
    promoted_at: null,
    settle_until: null,
    ended_at: null,
    mac: null,
  };
}

const idle = (): number => 0;

describe('due rotations', () => {
  it('are taken oldest first', async () => {
    await keep('a', 3, 1_001);
    await keep('b', 1, 1_000);
    expect(await due.poll()).toBe(true);
    const taken = [1, 2, 3, 4, 5].map(() => due.take(idle)?.id);
    expect(taken).toEqual([
      'a-00000',
      expect.any(String),
      expect.any(String),
      'a-00002',
      undefined,
    ]);
    expect(taken).toContain('b-00000');
  });

  it('do not include rotations due later', async () => {
    await keep('a', 1, -1_000);
    await due.poll();
    expect(due.take(idle)).toBeUndefined();
  });

  it('come from the connection with the fewest in progress, and not from one without a free place', async () => {
    await keep('slow', 3, 3_000);
    await keep('full', 3, 2_000);
    await keep('idle', 1, 1_000);
    await due.poll();
    const busy: Readonly<Record<string, number | undefined>> = {
      slow: 3,
      full: undefined,
      idle: 0,
    };
    const taken = [due.take((of) => busy[of]), due.take((of) => busy[of])];
    expect(taken.map((row) => row?.connection)).toEqual(['idle', 'slow']);
    expect(due.take((of) => (of === 'slow' ? undefined : busy[of]))).toBeUndefined();
  });

  it('are found behind the backlog of another connection, however long (F09)', async () => {
    await keep('slow', 12_000, 100_000);
    await keep('b', 1, 1_000);
    const looks: boolean[] = [];
    do looks.push(await due.poll());
    while (looks.at(-1) === false);
    expect(looks).toEqual([false, false, true]);
    expect(due.take((of) => (of === 'b' ? 0 : 4))?.connection).toBe('b');
  });

  it('are polled again when the kept rows of a connection are used up', async () => {
    await keep('slow', 600, 100_000);
    await keep('b', 1, 1_000);
    await due.poll();
    const ids = new Set<string>();
    for (let count = 0; count < 500; count += 1) {
      expect(due.isExhausted('slow')).toBe(false);
      ids.add(due.take((of) => (of === 'slow' ? 0 : undefined))?.id ?? '');
    }
    expect(ids.size).toBe(500);
    expect(due.isExhausted('slow')).toBe(true);
    expect(due.isExhausted('b')).toBe(false);
    due.take(idle);
    expect(due.isExhausted('b')).toBe(true);
  });
});
