import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { isStanding } from '../../../../src/broker/access/authenticate.ts';
import {
  alertRow,
  openAlert,
  type AlertRecord,
} from '../../../../src/features/alerts/alert-record.ts';
import { decideAlert } from '../../../../src/features/alerts/alerts.ts';
import { Containment } from '../../../../src/features/alerts/contain-responses.ts';
import { raiseAlert } from '../../../../src/features/alerts/receive-alerts.ts';
import { responseWorker } from '../../../../src/features/alerts/response-worker.ts';
import { readSecret } from '../../../../src/broker/secrets/read-secrets.ts';
import { writeSecret } from '../../../../src/broker/secrets/write-secret.ts';
import { liftQuarantine } from '../../../../src/broker/sessions/quarantines.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import type { LiveSession } from '../../../../src/broker/state/session-memory.ts';
import { allRows } from '../../../../src/ports/queries.ts';
import { until } from '../../../kit/backends/until.ts';
import { codeOf, TestBroker } from '../../../kit/broker/test-broker.ts';

let broker: TestBroker;
let admin: LiveOperator;
let worker: ReturnType<typeof responseWorker> | undefined;
beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
  worker = undefined;
  events = 0;
});
afterEach(async () => {
  await worker?.stop();
  await broker.close();
});

let events = 0;
const NONE = { id: undefined, imageDigest: undefined };

/** A pod of the namespace that runs, as the watch knows it. */
function startPod(uid: string, namespace = 'pay', serviceAccount = 'api'): void {
  const name = `pod-${uid}`;
  const manifest = {
    metadata: { namespace, name, uid, creationTimestamp: '2020-01-01T00:00:00Z' },
    spec: { serviceAccountName: serviceAccount, containers: [] },
  };
  broker.watches.get('c1')?.pods.set(uid, {
    state: 'running',
    labels: new Map(),
    manifest: { read: () => manifest },
  });
}

/** A pod with a session. */
async function holder(
  uid: string,
  namespace = 'pay',
  serviceAccount = 'api',
): Promise<LiveSession> {
  startPod(uid, namespace, serviceAccount);
  return broker.logIn({ namespace, serviceAccount, pod: { name: `pod-${uid}`, uid } });
}

interface Sent {
  readonly rule?: string;
  readonly source?: string;
  readonly id?: string;
}

function alert(uid: string, { rule = 'shell', source = 'falco', id }: Sent = {}): Promise<string> {
  events += 1;
  return raiseAlert(broker.parts, {
    id: id ?? `alr_${events}`,
    source,
    cluster: 'c1',
    alert: {
      rule,
      tags: [],
      priority: 'critical',
      time: broker.clock.now(),
      instance: String(events),
      node: undefined,
      isTest: false,
      container: NONE,
      pod: { namespace: undefined, name: undefined, uid },
    },
  });
}

function rule(spec: object, name = 'all'): Promise<void> {
  return broker.put(admin, 'response-rule', name, {
    order: 100,
    match: {},
    action: 'quarantine',
    ...spec,
  });
}

async function records(): Promise<readonly AlertRecord[]> {
  const rows = await broker.store.list(allRows('alerts'), { limit: 10_000 });
  return rows.map(openAlert);
}

async function statesOf(): Promise<readonly string[]> {
  return (await records()).map(({ state }) => state).sort();
}

/** Runs the worker until `condition` holds. */
async function work(condition: (all: readonly AlertRecord[]) => boolean): Promise<void> {
  if (worker === undefined) {
    worker = responseWorker(broker.parts);
    worker.start();
  }
  await until('the responses are as expected', async () => {
    broker.clock.advance(250);
    return condition(await records());
  });
}

async function store(path: string): Promise<void> {
  await writeSecret(broker.parts, broker.call(), admin, { path, data: { password: 'v' } });
}

function read(live: LiveSession, path = 'app/db'): Promise<string> {
  return codeOf(readSecret(broker.parts, broker.call(), live, { path }));
}

function decide(id: string, approves: boolean): Promise<AlertRecord> {
  return decideAlert(broker.parts, broker.call(), admin, { id, approves });
}

describe('the limit of a source (RS03, RS18)', () => {
  it('lets a small cluster cut off three pods of a namespace, and suspends the fourth', async () => {
    await rule({});
    await store('app/db');
    const pods = await Promise.all(['1', '2', '3', '4'].map((uid) => holder(uid)));
    for (const uid of ['1', '2', '3', '4']) await alert(uid);
    expect(await statesOf()).toEqual(['pending', 'responding', 'responding', 'responding']);
    const codes = await Promise.all(pods.map((live) => read(live)));
    expect(codes).toEqual([
      'ERR_UNAUTHENTICATED',
      'ERR_UNAUTHENTICATED',
      'ERR_UNAUTHENTICATED',
      'ERR_SUSPENDED',
    ]);
    const log = JSON.stringify(broker.logged);
    expect(log).toContain('the source of an alert reached its limit');
  });

  it('leaves room for other namespaces when one has used its part', async () => {
    await rule({});
    for (const uid of ['1', '2', '3', '4']) startPod(uid);
    for (const uid of ['5', '6', '7', '8']) startPod(uid, 'shop');
    for (const uid of ['1', '2', '3', '4', '5', '6', '7', '8']) await alert(uid);
    const waiting = (await records()).filter(({ state }) => state === 'pending');
    expect(waiting.map(({ subject }) => subject?.uid)).toEqual(['4', '8']);
  });

  it('counts every pod of a workload', async () => {
    await rule({ scope: 'workload' });
    for (let pod = 0; pod < 4; pod += 1) await holder(`wide-${pod}`, 'pay', 'wide');
    startPod('one', 'pay', 'one');
    await alert('wide-0');
    expect(await records()).toMatchObject([{ state: 'pending', held: 'over_limit' }]);
    await alert('one');
    expect(await statesOf()).toEqual(['pending', 'responding']);
  });

  it('counts in the store: another broker, and a restarted one, cut off no more', async () => {
    await rule({});
    for (const uid of ['1', '2', '3', '4']) startPod(uid);
    for (const uid of ['1', '2']) await alert(uid);
    broker = await broker.reopen();
    for (const uid of ['3', '4']) await alert(uid);
    expect(await statesOf()).toEqual(['pending', 'responding', 'responding', 'responding']);
  });

  it('counts revocations as it counts quarantines', async () => {
    await rule({ action: 'revoke' });
    for (const uid of ['1', '2', '3', '4']) startPod(uid);
    for (const uid of ['1', '2', '3', '4']) await alert(uid);
    expect(await statesOf()).toEqual(['pending', 'responding', 'responding', 'responding']);
    broker.clock.advance(600_000);
    startPod('5');
    await alert('5');
    expect((await records()).filter(({ state }) => state === 'responding')).toHaveLength(4);
  });

  it('does not count pods that are gone, whose quarantines end after a day', async () => {
    await rule({});
    for (const uid of ['1', '2', '3', '4']) startPod(uid);
    for (const uid of ['1', '2', '3']) await alert(uid);
    for (const uid of ['1', '2', '3']) broker.watches.get('c1')?.pods.delete(uid);
    await alert('4');
    expect(await statesOf()).toEqual(['responding', 'responding', 'responding', 'responding']);
    await work(() => broker.parts.quarantines.find('pod:c1/1')?.endsAt !== undefined);
    const { createdAt = 0, endsAt = 0 } = broker.parts.quarantines.find('pod:c1/1') ?? {};
    expect(Math.round((endsAt - createdAt) / 3_600_000)).toBe(24);
    expect(broker.parts.quarantines.find('pod:c1/4')?.endsAt).toBeUndefined();
  });

  it('cuts off an operator that reads a decoy although pods have used the limit', async () => {
    await store('app/lure');
    await broker.put(admin, 'definition', 'app/lure', { decoy: { action: 'quarantine' } });
    for (let pod = 0; pod < 4; pod += 1) {
      const live = await holder(`thief-${pod}`);
      await readSecret(broker.parts, broker.call(), live, { path: 'app/lure' });
    }
    const curious = await broker.operator('curious', [{ role: 'secret-reader' }]);
    await readSecret(broker.parts, broker.call(), curious, { path: 'app/lure' });
    await work((all) => all.every(({ state }) => state === 'done' || state === 'pending'));
    expect(await statesOf()).toEqual(['done', 'done', 'done', 'done', 'pending']);
    expect(broker.parts.quarantines.covering(['operator:curious'])).toBeDefined();
  });
});

describe('a suspended pod (RS18)', () => {
  beforeEach(async () => {
    await rule({});
    for (const uid of ['1', '2', '3']) startPod(uid);
    await store('app/db');
    await store('app/other');
  });

  async function suspended(): Promise<LiveSession> {
    const live = await holder('held');
    expect(await read(live)).toBe('no error');
    for (const uid of ['1', '2', '3', 'held']) await alert(uid);
    return live;
  }

  it('keeps its session and what it holds, and gets nothing new', async () => {
    const live = await suspended();
    expect(await read(live)).toBe('no error');
    expect(await read(live, 'app/other')).toBe('ERR_SUSPENDED');
    const fresh = await broker.logIn({ pod: { name: 'pod-held', uid: 'held' } });
    expect(await read(fresh)).toBe('ERR_SUSPENDED');
    expect(isStanding(broker.parts, live)).toBe(true);
  });

  it('says nothing to a caller that has no access', async () => {
    const live = await suspended();
    expect(await read(live, 'foreign/db')).toBe('ERR_DENIED');
  });

  it('reads again once an operator dismisses the alert', async () => {
    const live = await suspended();
    const [waiting] = (await records()).filter(({ state }) => state === 'pending');
    expect(await decide(waiting?.id ?? '', false)).toMatchObject({ state: 'dismissed' });
    expect(await read(live, 'app/other')).toBe('no error');
  });

  it('is cut off once an operator approves the response', async () => {
    const live = await suspended();
    const [waiting] = (await records()).filter(({ state }) => state === 'pending');
    expect(await decide(waiting?.id ?? '', true)).toMatchObject({
      state: 'responding',
      quarantines: [expect.stringMatching(/^qua_/)],
    });
    expect(await read(live)).toBe('ERR_UNAUTHENTICATED');
  });

  it('is cut off by the alert of another source, which has room', async () => {
    const live = await suspended();
    expect(await alert('held', { source: 'sensor' })).toBe('responding');
    expect(await read(live)).toBe('ERR_UNAUTHENTICATED');
    const [waiting] = (await records()).filter(({ state }) => state === 'pending');
    await decide(waiting?.id ?? '', false);
    expect(await read(live)).toBe('ERR_UNAUTHENTICATED');
  });

  it('has one waiting alert, if every source has reached its limit', async () => {
    await suspended();
    for (const uid of ['5', '6', '7']) {
      await holder(uid);
      await alert(uid, { source: 'sensor' });
    }
    const before = await statesOf();
    for (const source of ['sensor', 'falco', 'sensor'])
      expect(await alert('held', { source })).toBe('joined');
    expect(await statesOf()).toEqual(before);
  });

  it('stays suspended after a restart', async () => {
    await suspended();
    broker = await broker.reopen();
    const fresh = await broker.logIn({ pod: { name: 'pod-held', uid: 'held' } });
    expect(await read(fresh)).toBe('ERR_SUSPENDED');
  });

  it('has one waiting alert, however many alerts of however many rules there are', async () => {
    await suspended();
    for (let each = 0; each < 30; each += 1) {
      await alert('held', { rule: `rule-${each}` });
      broker.clock.advance(61_000);
    }
    const waiting = (await records()).filter(({ state }) => state === 'pending');
    expect(waiting).toMatchObject([{ count: 31, rules: expect.any(Array) }]);
    expect(waiting[0]?.rules).toHaveLength(16);
  });
});

describe('repeated alerts about one pod (RS17)', () => {
  it('have one response and one quarantine, also after minutes', async () => {
    await rule({ rotate: 'read' });
    startPod('1');
    for (let each = 0; each < 5; each += 1) {
      await alert('1', { rule: each % 2 === 0 ? 'shell' : 'curl' });
      broker.clock.advance(61_000);
    }
    expect(await records()).toMatchObject([{ count: 5, rules: ['curl'] }]);
  });

  it('are counted in memory within a minute, and then saved', async () => {
    await rule({});
    startPod('1');
    const outcomes: string[] = [];
    for (let each = 0; each < 50; each += 1) outcomes.push(await alert('1'));
    expect(outcomes.slice(0, 3)).toEqual(['responding', 'joined', 'joined']);
    await work(([only]) => only?.count === 50);
    expect(await records()).toHaveLength(1);
  });

  it('have a new response once an operator lifted the quarantine, within the minute too', async () => {
    await rule({});
    startPod('1');
    await alert('1');
    await alert('1');
    const quarantine = broker.parts.quarantines.find('pod:c1/1');
    await liftQuarantine(broker.parts, broker.call(), admin, {
      id: quarantine?.id ?? '',
      reason: 'test',
    });
    expect(await alert('1')).toBe('responding');
    expect(broker.parts.quarantines.covering(['pod:c1/1'])).toBeDefined();
  });

  it('have a response at once when a rule for them is saved within the minute', async () => {
    startPod('1');
    expect(await alert('1')).toBe('kept');
    expect(await alert('1')).toBe('joined');
    await rule({});
    expect(await alert('1')).toBe('responding');
  });

  it('change nothing when one of them is delivered again', async () => {
    await rule({});
    startPod('1');
    await alert('1', { id: 'alr_a' });
    await alert('1', { id: 'alr_b' });
    expect(await alert('1', { id: 'alr_a' })).toBe('repeated');
    expect(await alert('1', { id: 'alr_b' })).toBe('repeated');
  });

  it('extend the time for which a revoked pod is kept out', async () => {
    await rule({ action: 'revoke' });
    startPod('1');
    await alert('1');
    broker.clock.advance(500_000);
    await alert('1');
    broker.clock.advance(500_000);
    expect(broker.parts.quarantines.covering(['pod:c1/1'])).toBeDefined();
    broker.clock.advance(101_000);
    expect(broker.parts.quarantines.covering(['pod:c1/1'])).toBeUndefined();
  });

  it('make the response stronger if their rule is stronger', async () => {
    await rule({ action: 'revoke' });
    await rule({ order: 1, match: { rules: ['steal'] }, rotate: 'read' }, 'steal');
    startPod('1');
    await alert('1');
    await alert('1', { rule: 'steal' });
    expect(await records()).toMatchObject([
      { response: { action: 'quarantine', rotate: 'read' }, count: 2 },
    ]);
    expect(broker.parts.quarantines.covering(['pod:c1/1'])?.endsAt).toBeUndefined();
  });

  it('have a bounded number of rows, if they are only recorded, under however many rules', async () => {
    startPod('1');
    for (let each = 0; each < 200; each += 1) await alert('1', { rule: `noise-${each}` });
    expect((await records()).length).toBeLessThanOrEqual(61);
    startPod('2');
    expect(await alert('2', { rule: 'noise-0' })).toBe('kept');
  });
});

describe('a new alert', () => {
  it('is contained in one round while a thousand rotations wait and the search of the log hangs', async () => {
    await rule({ rotate: 'read' });
    startPod('1');
    await alert('1');
    const [first] = await records();
    const waiting = Array.from({ length: 1_000 }, (_, i) => ({
      ...(first as AlertRecord),
      id: `alr_waiting_${i}`,
      state: 'contained' as const,
      nextAttemptAt: 0,
      exposed: [{ path: `app/db-${i}`, versions: ['1'], unrotated: 'braked' as const }],
    }));
    await broker.store.commit({
      writes: waiting.map((record) => ({ table: 'alerts', put: alertRow(record) })),
    });
    const audit = { ...broker.parts.audit, reads: () => new Promise<never>(() => undefined) };
    const containment = new Containment({ ...broker.parts, audit } as typeof broker.parts);
    for (let pod = 2; pod < 5; pod += 1) {
      startPod(String(pod), `n${pod}`);
      await alert(String(pod));
      expect(await containment.round(new AbortController().signal)).toBeGreaterThan(0);
      const states = (await records()).map(({ subject, state }) => `${subject?.uid} ${state}`);
      expect(states).toContain(`${pod} contained`);
    }
  });
});

describe('a thousand responses that still rotate', () => {
  it('do not delay the quarantine of the next reader of a decoy (RS19)', async () => {
    await store('app/lure');
    await broker.put(admin, 'definition', 'app/lure', { decoy: { action: 'quarantine' } });
    const thief = await holder('thief');
    const waiting = Array.from({ length: 1_000 }, (_, each): AlertRecord => ({
      id: `alr_before_${each}`,
      source: 'falco',
      state: 'contained',
      receivedAt: broker.clock.now() - 1_000,
      cluster: 'c1',
      alert: { rule: 'shell', tags: [], priority: 'critical', node: undefined, container: NONE },
      response: { action: 'quarantine', scope: 'pod', rotate: 'read' },
      scopes: [{ kind: 'pod', subject: `c1/before-${each}` }],
      quarantines: [],
      since: 0,
      nextAttemptAt: broker.clock.now(),
    }));
    await broker.store.real.commit({
      writes: waiting.map((each) => ({ table: 'alerts', put: alertRow(each) })),
    });
    await readSecret(broker.parts, broker.call(), thief, { path: 'app/lure' });
    await work(() => broker.parts.quarantines.covering(['pod:c1/thief']) !== undefined);
    expect(await statesOf()).toContain('contained');
    expect(await read(thief)).toBe('ERR_UNAUTHENTICATED');
  });
});

describe('a flood about one pod (RS17)', () => {
  it('neither loses nor delays the alerts about others', async () => {
    await rule({});
    await rule({ order: 1, match: { rules: ['noise'] }, action: 'audit' }, 'noise');
    startPod('noisy');
    for (let pod = 0; pod < 30; pod += 1) startPod(`victim-${pod}`, `n${pod}`);
    const sent: Promise<string>[] = [];
    const others: Promise<string>[] = [];
    for (let each = 0; each < 10_000; each += 1) {
      sent.push(alert('noisy', { rule: 'noise' }));
      if (each % 300 === 0 && others.length < 30) others.push(alert(`victim-${others.length}`));
    }
    const outcomes = await Promise.all(others);
    expect(outcomes.filter((outcome) => outcome === 'responding')).toHaveLength(6);
    expect(outcomes.filter((outcome) => outcome === 'pending')).toHaveLength(24);
    await Promise.all(sent);
    expect(await records()).toHaveLength(31);
  });
});
