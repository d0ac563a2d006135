import { beforeEach, describe, expect, it } from '@jest/globals';
import { setImmediate as loopTurn } from 'node:timers/promises';
import { Acknowledgements } from '../../../../src/audit/sinks/acknowledgements.ts';
import { auditConfigSchema } from '../../../../src/audit/base/config.ts';
import { LocalBatches } from '../../../../src/audit/records/local-batches.ts';
import type { Tables } from '../../../../src/ports/tables.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

const WRITER = 'boot-1';

function entry(seq: number, writer = WRITER): string {
  return `{"writer":"${writer}","seq":${seq},"prev":"${'0'.repeat(64)}","time":"2026-01-01T00:00:00.000Z"}`;
}

let clock: HandClock;
let localBatches: LocalBatches;
let committed: number;
let appends: number;
/** Cursor as another broker that delivers stores it. */
let cursor: number;
let segments: Tables['log_segments'][];
let required: { name: string; deliver: () => Promise<void> }[];
let acknowledgements: Acknowledgements;

beforeEach(() => {
  clock = new HandClock();
  localBatches = new LocalBatches();
  [committed, appends, cursor, segments, required] = [0, 0, 0, [], []];
  acknowledgements = new Acknowledgements({
    localBatches,
    writer: WRITER,
    clock,
    append() {
      appends += 1;
      return Promise.resolve();
    },
    store: { list: () => Promise.resolve(segments as never) },
    cursors: { read: () => Promise.resolve({ next: cursor, forged: false, isNew: false }) },
    size: () => Promise.resolve(cursor),
  });
});

function commit(count = 1): void {
  const row = { first_seq: committed + 1, count } as Tables['audit_batches'];
  committed += count;
  localBatches.committed({ row, entries: [] });
}

/** A sink that takes what was committed before the delivery while it is up. */
function sink(name: string): { isUp: boolean; deliveries: number } {
  const state = { isUp: true, deliveries: 0 };
  const deliver = async (): Promise<void> => {
    const has = committed;
    await loopTurn();
    state.deliveries += 1;
    if (state.isUp) acknowledgements.delivered(name, [entry(has), entry(9_999, 'other')]);
  };
  required.push({ name, deliver });
  acknowledgements.require(required, 5_000);
  return state;
}

describe('answers that wait for a sink', () => {
  it('wait for nothing if no sink must acknowledge', async () => {
    commit();
    expect(acknowledgements.isRequired).toBe(false);
    await acknowledgements.waitForReceivers();
    expect(appends).toBe(0);
  });

  it('share deliveries', async () => {
    const siem = sink('siem');
    const waiting = Array.from({ length: 500 }, () => {
      commit();
      return acknowledgements.waitForReceivers();
    });
    await Promise.all(waiting);
    expect(siem.deliveries).toBeLessThan(5);
    expect(acknowledgements.status()).toEqual({ waiting: 0, acknowledged: 500, unacknowledged: 0 });
  });

  it('wait for every sink that must acknowledge', async () => {
    sink('siem');
    const file = sink('file');
    file.isUp = false;
    commit();
    const first = acknowledgements.waitForReceivers();
    for (let turn = 0; turn < 20; turn += 1) {
      await loopTurn();
      clock.advance(100);
    }
    expect(acknowledgements.status().waiting).toBe(1);
    file.isUp = true;
    clock.advance(100);
    await first;
  });

  it('fail after the bound with an error that says that the operation is done', async () => {
    sink('siem').isUp = false;
    commit();
    const answer = acknowledgements.waitForReceivers();
    clock.advance(4_999);
    await loopTurn();
    expect(acknowledgements.status().waiting).toBe(1);
    clock.advance(1);
    await expect(answer).rejects.toMatchObject({
      code: 'ERR_AUDIT_UNACKNOWLEDGED',
      retryAfterSeconds: 1,
      detail: expect.stringContaining('the operation is done and in the audit log') as unknown,
    });
    expect(acknowledgements.status()).toEqual({ waiting: 0, acknowledged: 0, unacknowledged: 1 });
  });

  it('are bounded: the next one fails at once', async () => {
    sink('siem').isUp = false;
    commit();
    const waiting = Array.from({ length: 4_096 }, () => acknowledgements.waitForReceivers());
    const settled = Promise.allSettled(waiting);
    await expect(acknowledgements.waitForReceivers()).rejects.toMatchObject({
      code: 'ERR_AUDIT_UNACKNOWLEDGED',
    });
    acknowledgements.require([], 5_000);
    expect((await settled).every(({ status }) => status === 'fulfilled')).toBe(true);
  });

  it('continue when a reload removes the sink that does not acknowledge', async () => {
    sink('siem').isUp = false;
    commit();
    const answer = acknowledgements.waitForReceivers();
    acknowledgements.require([], 5_000);
    await answer;
  });

  it('learn from the store what another broker delivered', async () => {
    sink('siem').isUp = false;
    commit(3);
    commit(2);
    segments = [
      { first_index: 40, writer: WRITER, first_seq: 4, count: 2 },
      { first_index: 20, writer: WRITER, first_seq: 1, count: 3 },
    ];
    cursor = 41;
    const answer = acknowledgements.waitForReceivers();
    for (let turn = 0; turn < 20; turn += 1) {
      await loopTurn();
      clock.advance(100);
    }
    expect(acknowledgements.status().waiting).toBe(1);
    cursor = 42;
    while (acknowledgements.status().waiting > 0) {
      await loopTurn();
      clock.advance(100);
    }
    await answer;
  });
});

describe('the setting mustAcknowledge', () => {
  const parse = (sink: object) =>
    auditConfigSchema.safeParse({
      origin: 'a.example',
      logKeyFile: '/k',
      checkpointFile: '/c',
      sinks: [sink],
    });

  it.each([
    { type: 'http', url: 'https://siem.example/a' },
    { type: 'file', path: '/var/log/a' },
  ])('is accepted for %j', (sink) => {
    expect(parse({ ...sink, mustAcknowledge: true }).success).toBe(true);
  });

  it.each([{ type: 'syslog', host: 'siem.example' }, { type: 'stdout' }])(
    'is refused for %j, with the reason',
    (sink) => {
      const { error } = parse({ ...sink, mustAcknowledge: true });
      expect(error?.issues[0]?.message).toBe(
        `is not possible with ${sink.type}, which does not acknowledge entries: use a sink of type http or file`,
      );
      expect(error?.issues[0]?.path).toEqual(['sinks', 0, 'mustAcknowledge']);
    },
  );
});
