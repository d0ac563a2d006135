import { describe, expect, it } from '@jest/globals';
import {
  runAlertApprove,
  runIncidentLs,
  runIncidentOpen,
  runIncidentShow,
} from '../../../../src/cli/verbs/incidents.ts';
import { headline } from '../../../../src/cli/verbs/incident-text.ts';
import { runLeaseRevoke } from '../../../../src/cli/verbs/leases.ts';
import { runQuarantineAdd } from '../../../../src/cli/verbs/quarantines.ts';
import { runSeal } from '../../../../src/cli/verbs/seal.ts';
import { runSessionEnd } from '../../../../src/cli/verbs/sessions.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { ScriptedBroker } from '../../../kit/cli/scripted-api.ts';

const WORKLOAD = 'k8s://c1/prod/api';
const QUARANTINE = {
  id: 'qua_1',
  kind: 'workload',
  subject: WORKLOAD,
  reason: 'x',
  createdBy: 'eve',
  createdAt: '2026-01-05T10:00:00Z',
};

function scripted(revoked = { revoked: 1, revoking: 2 }, sessions = 1) {
  const broker = new ScriptedBroker({
    revokeLeases: () => revoked,
    endSessions: () => ({ sessions, revoked: 0, revoking: 0, streams: 0 }),
    createQuarantine: ({ body }) => ({
      quarantine: { ...QUARANTINE, ...(body as object) },
      ended: { sessions: 1, revoked: 3, revoking: 0, streams: 2 },
    }),
    readLease: () => ({ id: 'lea_1', workload: WORKLOAD }),
    listLeases: () => ({ items: [{ workload: WORKLOAD }] }),
    seal: () => ({ sealed: true }),
  });
  return { broker, context: cliContext({ broker }) };
}

describe('lease revoke', () => {
  it('reports revoked leases, pending revocations, and that the workload can log in again', async () => {
    const { context } = scripted();
    const call = { args: [], options: { workload: WORKLOAD, yes: true } };
    await runLeaseRevoke(context, call);
    expect(context.out()).toBe(
      'revoked 1 lease; 2 credentials are being revoked at the backend (follow with: quaymaster revocation ls)\n',
    );
    expect(context.err()).toContain('does not stop the workload from logging in again');
    expect(context.err()).toContain('--quarantine 1h');
  });

  it('fails if no lease matches, and names the selection', async () => {
    const { context } = scripted({ revoked: 0, revoking: 0 });
    const call = { args: [], options: { workload: WORKLOAD, yes: true } };
    await expect(runLeaseRevoke(context, call)).rejects.toMatchObject({
      exitCode: 4,
      message: `no live lease matches workload ${WORKLOAD}; nothing was revoked`,
    });
  });

  it.each([
    ['an id', ['lea_1'], {}, { kind: 'workload', workload: WORKLOAD }],
    ['a workload', [], { workload: WORKLOAD }, { kind: 'workload', workload: WORKLOAD }],
    ['a pod', [], { pod: 'uid-1' }, { kind: 'pod', cluster: 'c1', pod: 'uid-1' }],
  ])('quarantines the holder by %s first with --quarantine', async (_what, args, by, scope) => {
    const { broker, context } = scripted({ revoked: 0, revoking: 0 });
    const options = { ...by, quarantine: '1h', comment: 'INC-7', yes: true };
    await runLeaseRevoke(context, { args, options });
    const changes = broker.asked.filter(({ body }) => body !== undefined);
    expect(changes).toMatchObject([
      { id: 'createQuarantine', body: { ...scope, reason: 'INC-7', duration: '1h' } },
      { id: 'revokeLeases' },
    ]);
    expect(context.out()).toContain(
      'ended 1 session, closed 2 event streams of this replica, revoked 3 leases',
    );
  });

  it.each([[{ path: 'a/b' }], [{ mount: 'm' }]])(
    'refuses --quarantine with %j, and sends nothing',
    async (by) => {
      const { broker, context } = scripted();
      const options = { ...by, quarantine: '1h', yes: true };
      await expect(runLeaseRevoke(context, { args: [], options })).rejects.toThrow('--quarantine');
      expect(broker.asked).toEqual([]);
    },
  );
});

describe('session end', () => {
  it('fails if no session matches', async () => {
    const { context } = scripted(undefined, 0);
    const call = { args: ['ses_1'], options: {} };
    await expect(runSessionEnd(context, call)).rejects.toMatchObject({
      exitCode: 4,
      message: 'no session matches id ses_1; nothing was ended',
    });
  });

  it.each([
    [[], {}],
    [['ses_1'], { workload: WORKLOAD }],
    [[], { pod: 'uid-1' }],
    [[], { cluster: 'c1', source: '10.0.0.0/8' }],
  ])('is refused when the selection is not exactly one: %j %j', async (args, options) => {
    const { broker, context } = scripted();
    await expect(runSessionEnd(context, { args, options })).rejects.toThrow();
    expect(broker.asked).toEqual([]);
  });
});

describe('quarantine add and seal', () => {
  it('need a confirmation before they send anything', async () => {
    const { broker, context } = scripted();
    const options = { workload: WORKLOAD, reason: 'x' };
    await expect(runQuarantineAdd(context, { args: [], options })).rejects.toThrow('--yes');
    const sealing = runSeal(context, { args: [], options: { reason: 'x' } });
    await expect(sealing).rejects.toThrow('--yes');
    expect(broker.asked).toEqual([]);
    await runSeal(context, { args: [], options: { reason: 'x', yes: true } });
    expect(context.out()).toBe('sealed; restart each replica to unseal it\n');
  });

  it('reports the end of the quarantine, and what was ended', async () => {
    const { context } = scripted();
    const options = { workload: WORKLOAD, reason: 'x', yes: true };
    await runQuarantineAdd(context, { args: [], options });
    expect(context.out()).toBe(
      [
        `quarantined workload ${WORKLOAD} until it is lifted: qua_1`,
        'ended 1 session, closed 2 event streams of this replica, revoked 3 leases\n',
      ].join('\n'),
    );
  });
});

const ALERT = {
  id: 'inc_1',
  source: 'operator',
  rule: 'incident',
  tags: [],
  priority: 'critical',
  receivedAt: '2026-01-05T10:00:00Z',
  cluster: 'c1',
  container: {},
  operator: 'eve',
  workload: WORKLOAD,
  reason: 'INC-7',
  state: 'done',
  count: 1,
  quarantines: ['qua_1'],
  response: { action: 'quarantine', scope: 'workload', rotate: 'none' },
};

function secretRead(path: string, otherPods = 0): object {
  const times = { firstAt: '2026-01-05T09:00:00Z', lastAt: '2026-01-05T09:30:00Z' };
  const others = { otherReaders: ['k8s://c1/prod/jobs'], otherPods };
  const holders = { total: 3, updated: 2 };
  const own = { path, versions: ['1'], lastIndex: 7, liveLeases: 2, held: true, state: 'kept' };
  return { ...own, ...times, ...others, holders };
}

const UNREAD = [
  { first: 0, end: 5, isArchived: false, objects: [], hasMore: false, command: 'quaymaster x' },
  { first: 5, end: 9, isArchived: true, objects: ['/old/a'], hasMore: false, command: 'q status' },
];

/** An incident with three pages. */
function incident(
  scopes: readonly object[] = [{ kind: 'workload', subject: WORKLOAD }],
  about: object = {},
) {
  const event = {
    index: 9,
    entry: {
      time: '2026-01-05T10:00:00.123Z',
      outcome: 'ok',
      action: 'incident.open',
      actor: { id: 'eve' },
      ...about,
    },
  };
  const pages: Record<string, object> = {
    first: { secrets: [secretRead('app/a', 2)], timeline: [], next: 'second' },
    second: { secrets: [secretRead('app/b')], timeline: [], next: 'third' },
    third: { secrets: [], timeline: [event] },
  };
  const broker = new ScriptedBroker({
    readIncident: ({ query }) => {
      const { after = 'first' } = query as { after?: string };
      const common = { alert: ALERT, scopes, hidden: 1, isComplete: after !== 'second' };
      return { ...common, unread: UNREAD, gaps: [{ kind: 'reads', first: 5 }], ...pages[after] };
    },
    openIncident: ({ body }) => {
      const { dryRun } = body as { dryRun: boolean };
      const common = { scopes, hidden: 0, isComplete: true, unread: [], gaps: [] };
      return { ...(!dryRun && { alert: ALERT }), ...common, ...pages['first'] };
    },
    approveAlert: () => ALERT,
    listAlerts: () => {
      const opened = { ...ALERT, id: 'inc_2', state: 'responding' };
      const pod = { namespace: 'prod', name: 'web-0', uid: 'u' };
      const sent = { ...ALERT, id: 'alr_1', source: 'falco', pod, operator: undefined };
      const kept = { ...sent, id: 'alr_2', response: { ...ALERT.response, action: 'audit' } };
      const shell = {
        ...sent,
        response: { ...ALERT.response, scope: 'pod' },
        reason: undefined,
        rule: 'Shell',
      };
      const lastAt = '2026-01-05T11:00:00Z';
      const joined = { count: 5, lastAt, rules: ['Miner'], state: 'responding' };
      const again = { ...shell, ...joined, id: 'alr_3', rule: 'Shell again' };
      const node = {
        ...ALERT,
        id: 'inc_3',
        workload: undefined,
        about: { kind: 'node', name: 'node-1', scopes: 3 },
      };
      const operator = { ...node, about: { kind: 'operator', name: 'bob', scopes: 1 } };
      const later = { ...operator, id: 'inc_4', reason: 'INC-8' };
      return { items: [shell, again, kept, opened, node, operator, later] };
    },
  });
  return { broker, context: cliContext({ broker }) };
}

describe('incident ls', () => {
  it('lists the responses by pod, workload, node or operator with the number of their alerts, the last one, and who or what began them', async () => {
    const { broker, context } = incident();
    await runIncidentLs(context);
    expect(broker.asked).toEqual([{ id: 'listAlerts', query: { limit: 1_000 } }]);
    const [header, ...rows] = context
      .out()
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/));
    expect(header?.join(' ')).toBe('ID FIRST LAST ALERTS BY WHY SUBJECT ACTION STATE');
    const asked = cliContext({ broker, format: 'json' });
    await runIncidentLs(asked);
    const { items } = JSON.parse(asked.out()) as { readonly items: readonly object[] };
    expect(items[0]).toMatchObject({
      first: '2026-01-05T10:00:00Z',
      last: '2026-01-05T11:00:00Z',
    });
    expect(rows.map(([id, , , ...rest]) => [id, ...rest])).toEqual([
      [
        'alr_1',
        '6',
        'falco',
        'Shell, Shell again, Miner',
        'prod/web-0',
        'quarantine',
        '1 done, 1 responding',
      ],
      ['inc_2', '1', 'eve', 'INC-7', WORKLOAD, 'quarantine', 'responding'],
      ['inc_3', '1', 'eve', 'INC-7', 'node node-1 (3 pods)', 'quarantine', 'done'],
      ['inc_3', '2', 'eve', 'INC-7, INC-8', 'operator bob', 'quarantine', 'done'],
    ]);
  });
});

describe('incident show', () => {
  it('shows all pages as one, with a first line in words, and names everything that was not read', async () => {
    const { context } = incident();
    await runIncidentShow(context, { args: ['inc_1'], options: {} });
    const text = context.out();
    expect(text.split('\n')[0]).toBe(
      `${WORKLOAD} cut off at 2026-01-05 10:00:00.000 by eve; held 2 secrets, ever read 2; the log was not read completely`,
    );
    expect(text).toContain('2 of 3 have the new value');
    expect(text).toContain('k8s://c1/prod/jobs, 2 more pods of the workload');
    expect(text).toMatch(/timeline \(UTC\):\n.*\n.* 9 +incident\.open/);
    expect(text).toContain('1 more secret read only before the time of --since');
    expect(text).toContain('entries 0 to 4 were not read, and may name more secrets: quaymaster x');
    expect(text).toContain(
      'entries 5 to 8 were not read, and may name more secrets: they are archived in /old/a.',
    );
    expect(text).toContain('gap: more reads before entry 5; quaymaster audit search shows them');
  });
});

describe('the first line of an incident', () => {
  const pod = { namespace: 'shop', name: 'web-0', uid: 'u' };
  const falco = { ...ALERT, source: 'falco', operator: undefined, pod, rule: 'Shell' };
  const scopes = [{ kind: 'pod', subject: 'c1/u', pod }];
  const made = { action: 'quarantine.create', time: '2026-01-05T10:00:00.063Z' };
  const timeline = [{ index: 1, entry: made }];
  const secret = (state: string, why?: string): object => ({ held: true, state, why });

  it.each([
    [
      { ...falco, time: '2026-01-05T10:00:00Z', response: { ...ALERT.response, rotate: 'read' } },
      [secret('rotated'), secret('rotated'), secret('by_hand')],
      'shop/web-0 cut off 63 ms after falco saw it; held 3 secrets, ever read 3; 2 rotated, 1 needs you: no rotator',
    ],
    [
      { ...falco, response: { ...ALERT.response, rotate: 'read' } },
      [secret('running'), secret('blocked', 'braked'), secret('blocked', 'parked')],
      'shop/web-0 cut off at 2026-01-05 10:00:00.063 by falco; held 3 secrets, ever read 3; 0 rotated, 1 in progress, 2 need you: limit of rotations; parked',
    ],
    [
      undefined,
      [secret('waiting'), secret('waiting'), secret('by_hand')],
      'shop/web-0 would be cut off (dry run); held 3 secrets, ever read 3; the incident rotates 2; 1 needs you: no rotator',
    ],
    [
      {
        ...falco,
        id: 'alr_1',
        state: 'pending',
        held: 'over_limit',
        response: { ...ALERT.response, rotate: 'read' },
      },
      [secret('kept')],
      'shop/web-0 is suspended, not cut off: it keeps what it has and gets nothing new, because falco reached its limit; decide with quaymaster alert approve alr_1 or alert dismiss alr_1; held 1 secret, ever read 1',
    ],
    [
      { ...falco, state: 'kept', held: 'no_room' },
      [secret('kept')],
      'shop/web-0 is not cut off: the source reached its limit, and no more scopes can be suspended; open an incident for it; held 1 secret, ever read 1',
    ],
  ])('says who was cut off how fast, and what is left: %#', (alert, secrets, expected) => {
    const more = { hidden: 0, isComplete: true, unread: [], gaps: [] };
    const incident = { alert, scopes, secrets, timeline, ...more };
    expect(headline(incident as never)).toBe(expected);
  });
});

describe('an incident with more alerts', () => {
  const lift = {
    action: 'quarantine.lift',
    quarantine: 'qua_1',
    time: '2026-01-05T12:00:00.500Z',
    comment: 'image replaced',
    actor: { id: 'eve' },
  };

  async function shown(about: object, alert: object = {}, secrets?: object): Promise<string> {
    const incident = {
      alert: { ...ALERT, ...alert },
      scopes: [{ kind: 'pod', subject: 'c1/uid-1' }],
      secrets: secrets === undefined ? [] : [secrets],
      timeline: [
        { index: 9, entry: { time: '2026-01-05T10:30:00.000Z', outcome: 'ok', ...about } },
      ],
      hidden: 0,
      isComplete: true,
      unread: [],
      gaps: [],
    };
    const context = cliContext({ broker: new ScriptedBroker({ readIncident: () => incident }) });
    await runIncidentShow(context, { args: ['inc_1'], options: {} });
    return context.out();
  }

  it.each([
    [
      { cause: 'joined', count: 5, query: 'source=falco rule=Shell' },
      'rule "Shell": 5 more alerts joined',
    ],
    [{ cause: 'audit', query: 'source=falco rule=Read file' }, 'rule "Read file": only recorded'],
    [{ cause: 'quarantine', query: 'source=falco rule=A rule=B' }, 'rule "A rule=B"'],
  ])('names the rule of each alert in the timeline: %#', async (entry, expected) => {
    expect(await shown({ action: 'alert.receive', ...entry })).toMatch(
      new RegExp(`alert\\.receive.*  ${expected}\n`),
    );
  });

  it('says how many alerts it stands for, when the last one came, and their other rules', async () => {
    const more = { count: 6, lastAt: '2026-01-05T11:00:00Z', rules: ['Miner'] };
    expect(await shown({}, more)).toContain(
      'alerts: 6, the last 2026-01-05T11:00:00Z; also Miner\n',
    );
  });

  it('says that its quarantine is lifted, by whom and why', async () => {
    const text = await shown(lift);
    expect(text.split('\n')[0]).toContain('by eve, and lifted since; held 0 secrets');
    expect(text).toContain(
      'quarantine: qua_1; lifted 2026-01-05 12:00:00.500 by eve: image replaced\n',
    );
    expect(await shown({ ...lift, quarantine: 'qua_2' })).toContain('qua_1; lift with: quaymaster');
  });

  it('names the command that rotates without the limit of rotations', async () => {
    const braked = { ...secretRead('app/a'), state: 'blocked', why: 'braked' };
    const text = await shown({}, {}, braked);
    expect(text).toContain('blocked: limit of rotations');
    expect(text).toContain(
      'the response rotates 1 more secret later; to rotate without this limit: quaymaster incident open --cluster c1 --pod uid-1 --reason WHY',
    );
  });
});

describe('the pod of an incident', () => {
  const scope = { kind: 'pod', subject: 'c1/uid-1' };
  const pod = { namespace: 'prod', name: 'web-0' };

  it.each([
    ['its name beside its UID', { ...scope, pod }, pod, 'pod prod/web-0 (c1/uid-1)', 'prod/web-0'],
    [
      'its UID if the name is not known',
      scope,
      { namespace: '', name: '' },
      'pod c1/uid-1',
      'uid-1',
    ],
    [
      'a name without what a terminal interprets',
      { ...scope, pod: { ...pod, name: 'a\u001b[2J' } },
      { ...pod, name: 'a\u001b[2J' },
      'pod prod/a\\u{1b}[2J (c1/uid-1)',
      'prod/a\\u{1b}[2J',
    ],
  ])('is shown as %s', async (_what, shown, named, head, cell) => {
    const { context } = incident([shown], { pod: { cluster: 'c1', uid: 'uid-1', ...named } });
    await runIncidentShow(context, { args: ['inc_1'], options: {} });
    const lines = context.out().split('\n');
    expect(lines).toContain(`scope: ${head}`);
    const event = lines.find((line) => line.includes('incident.open'))?.split(/ {2,}/);
    expect(event?.slice(1)).toEqual(['9', 'incident.open', 'eve', cell, '-']);
  });
});

describe('incident open', () => {
  it('shows all pages when the response is complete', async () => {
    const { broker, context } = incident();
    const options = { workload: WORKLOAD, since: '1d', reason: 'INC-7', rotate: true, yes: true };
    await runIncidentOpen(context, { args: [], options });
    const reads = broker.asked.filter(({ id }) => id === 'readIncident');
    expect(reads.map(({ query }) => query)).toEqual([
      { limit: 1_000 },
      { limit: 1_000, after: 'second' },
      { limit: 1_000, after: 'third' },
    ]);
    expect(context.out()).toContain('app/b');
  });
});

describe('alert approve', () => {
  it('asks for no list', async () => {
    const { broker, context } = incident();
    await runAlertApprove(context, { args: ['alr_1'], options: { yes: true } });
    expect(broker.asked.map(({ id, query }) => [id, query])).toEqual([
      ['readIncident', { limit: 1 }],
      ['approveAlert', undefined],
    ]);
  });
});
