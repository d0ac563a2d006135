import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  alertRow,
  openAlert,
  type AlertRecord,
} from '../../../../src/features/alerts/alert-record.ts';
import type { LoggedRead, LoggedReads, PendingEntries } from '../../../../src/ports/audit-log.ts';
import { responseWorker } from '../../../../src/features/alerts/response-worker.ts';
import { until } from '../../../kit/backends/until.ts';
import { TestBroker } from '../../../kit/broker/test-broker.ts';

const ID = 'inc_1';
const READ: LoggedRead = {
  path: 'own/db',
  identity: 'k8s://c1/pay/api',
  versions: ['2'],
  firstIndex: 7,
  firstAt: 1_000,
  lastIndex: 7,
  lastAt: 1_000,
};
/** The new process has written two entries; the last ones of the killed process are not in the log. */
const PENDING: readonly PendingEntries[] = [{ writer: 'killed', first: 5, end: 9 }];

let broker: TestBroker;
let pending: readonly PendingEntries[];
/** Reads that the index has. */
let found: readonly LoggedRead[];
/** Parts of the log that the index does not have. */
let unread: LoggedReads['unread'];
let worker: ReturnType<typeof responseWorker>;
let asked: number;

beforeEach(async () => {
  broker = await TestBroker.open();
  [pending, found, asked, unread] = [PENDING, [], 0, []];
  const record: AlertRecord = {
    id: ID,
    source: 'operator',
    state: 'responding',
    receivedAt: broker.clock.now(),
    cluster: 'c1',
    operator: 'ann',
    since: 0,
    reason: 'INC-1',
    alert: {
      rule: 'incident',
      tags: [],
      priority: 'critical',
      node: undefined,
      container: { id: undefined, imageDigest: undefined },
    },
    scopes: [{ kind: 'pod', subject: 'c1/pod-1' }],
    quarantines: ['qua_1'],
    response: { action: 'quarantine', scope: 'pod', rotate: 'read' },
  };
  await broker.store.commit({ writes: [{ table: 'alerts', put: alertRow(record) }], entries: [] });
  const audit = {
    ...broker.parts.audit,
    reads: () => Promise.resolve({ reads: found, unread }),
    pending: () => {
      asked += 1;
      return Promise.resolve(pending);
    },
  };
  worker = responseWorker({ ...broker.parts, audit });
  worker.start();
});
afterEach(async () => {
  await worker.stop();
  await broker.close();
});

async function response(): Promise<AlertRecord> {
  const row = await broker.store.get('alerts', { id: ID });
  if (row === undefined) throw new Error('the response is gone');
  return openAlert(row);
}

/** Lets the worker ask about the log some more times. */
async function moreRounds(): Promise<void> {
  const before = asked;
  await until('the worker asked the log again', () => {
    broker.clock.advance(500);
    return Promise.resolve(asked >= before + 3);
  });
}

describe('a response', () => {
  it('waits until the log has every entry that was committed before it, also those of a killed process', async () => {
    await moreRounds();
    expect(await response()).toMatchObject({ state: 'contained' });
    [pending, found] = [[{ writer: 'other', first: 1, end: 2 }], [READ]];
    await until('the response is done', async () => {
      broker.clock.advance(500);
      return (await response()).state === 'done';
    });
    expect((await response()).exposed).toEqual([
      { path: 'own/db', versions: ['2'], lastAt: 1_000, unrotated: 'not_rotating' },
    ]);
  });

  it('waits no longer for entries that were committed after it', async () => {
    await moreRounds();
    [pending, found] = [[{ writer: 'killed', first: 9, end: 20 }], [READ]];
    await until('the response is done', async () => {
      broker.clock.advance(500);
      return (await response()).state === 'done';
    });
    expect((await response()).exposed).toHaveLength(1);
  });

  it('continues after two minutes with what the log has, reports what it lacks, and is not done before the log has it', async () => {
    found = [READ];
    await moreRounds();
    broker.clock.advance(120_000);
    await until('the response found what the log has', async () => {
      broker.clock.advance(500);
      return (await response()).exposed !== undefined;
    });
    expect(await response()).toMatchObject({ state: 'contained', held: 'incomplete' });
    expect((await response()).exposed).toHaveLength(1);
    [pending, found] = [[], [READ, { ...READ, path: 'own/late' }]];
    await until('the response is done', async () => {
      broker.clock.advance(10_000);
      return (await response()).state === 'done';
    });
    expect((await response()).exposed).toHaveLength(2);
    expect(JSON.stringify(broker.logged)).toContain(
      'the audit log has lacked committed entries of these writers',
    );
  });

  it('is never done while the log is not read to its beginning, and is done once it is (RS16)', async () => {
    [pending, found] = [[], [READ]];
    unread = [{ first: 0, last: 4, isArchived: true }] as unknown as typeof unread;
    await until('the response rotated what the log has', async () => {
      broker.clock.advance(500);
      return (await response()).exposed?.[0]?.unrotated === 'not_rotating';
    });
    expect(await response()).toMatchObject({ state: 'contained', held: 'incomplete' });
    broker.clock.advance(30_000);
    expect(await response()).toMatchObject({ state: 'contained' });
    unread = [];
    await until('the response is done', async () => {
      broker.clock.advance(10_000);
      return (await response()).state === 'done';
    });
    expect((await response()).held).toBeUndefined();
  });
});
