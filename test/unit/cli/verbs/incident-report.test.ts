import { describe, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { incidentHtml, runIncidentReport } from '../../../../src/cli/verbs/incident-report.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { ScriptedBroker } from '../../../kit/cli/scripted-api.ts';

const HOSTILE = '<script>alert("x")</script>&\'';
const at = '2026-01-05T10:00:00.063Z';
const pod = { namespace: 'shop', name: 'web-0', uid: 'uid-1' };

const INCIDENT = {
  alert: {
    id: 'alr_1',
    source: 'falco',
    rule: HOSTILE,
    state: 'done',
    tags: [],
    priority: 'critical',
    time: '2026-01-05T10:00:00Z',
    receivedAt: at,
    cluster: 'c1',
    container: {},
    pod,
    quarantines: ['qua_1'],
    response: { action: 'quarantine', scope: 'pod', rotate: 'read' },
    reason: HOSTILE,
  },
  scopes: [{ kind: 'pod', subject: 'c1/uid-1', pod }],
  secrets: [
    {
      path: 'own/crown',
      versions: ['3'],
      firstAt: at,
      lastAt: at,
      lastIndex: 7,
      held: true,
      state: 'by_hand',
      liveLeases: 1,
      holders: { total: 2, updated: 1 },
      otherReaders: [HOSTILE],
      otherPods: 0,
    },
  ],
  hidden: 0,
  isComplete: false,
  unread: [
    {
      first: 0,
      end: 5,
      isArchived: true,
      objects: [HOSTILE],
      hasMore: false,
      command: 'quaymaster x',
    },
  ],
  timeline: [
    {
      index: 8,
      entry: {
        time: at,
        action: 'alert.receive',
        outcome: 'ok',
        alert: 'alr_1',
        actor: { id: 'alerts/falco' },
      },
    },
    { index: 9, entry: { time: at, action: 'quarantine.create', outcome: 'ok', comment: HOSTILE } },
  ],
  gaps: [{ kind: 'reads', first: 5 }],
  posture: {
    now: {
      state: 'ended',
      images: [{ container: 'a', image: HOSTILE }],
      ephemeral: ['debug'],
      violations: [],
    },
  },
  neighbours: {
    image: { count: 2, pods: [{ ...pod, name: 'web-1' }] },
    node: { count: 0, pods: [] },
    account: { count: 0, pods: [] },
    isComplete: true,
  },
  checkpoint: 'log.example\n9\nroot\n\n\u2014 log.example sig\n',
};

describe('the page of an incident', () => {
  const page = incidentHtml(INCIDENT as never, '2026-01-06T00:00:00.000Z');

  it('has the first line in words, both columns, the state, the timeline, its gaps and the checkpoint', () => {
    for (const text of [
      'shop/web-0 cut off 63 ms after falco saw it; held 1 secret, ever read 1; 0 rotated, 1 needs you: no rotator',
      '<td>own/crown</td><td>own/crown</td><td class="by_hand">by hand: no rotator</td><td>1 of 2 have the new value</td>',
      '<td>2026-01-05 10:00:00.063</td><td>9</td><td>quarantine.create</td>',
      'the event itself',
      'gap: more reads before entry 5',
      'entries 0 to 4 were not read',
      'debug containers: debug',
      'shop/web-1 and 1 more',
      '\u2014 log.example sig',
    ])
      expect(page).toContain(text);
  });

  it('executes nothing and loads nothing, whatever others named their rules and reasons', () => {
    expect(page).not.toMatch(/<script|<img|<link|<iframe|javascript:|https?:\/\//i);
    expect(page).toContain('&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;&#39;');
    expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
    const tags = new Set([...page.matchAll(/<(\w+)/g)].map(([, name]) => name));
    const known = 'html head meta title style body h1 h2 p table thead tbody tr th td code pre';
    expect([...tags].filter((tag) => !known.split(' ').includes(tag ?? ''))).toEqual([]);
  });
});

describe('incident report', () => {
  it('writes the page for its owner only, and never over another file', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'report-'));
    const html = join(directory, 'incident.html');
    const broker = new ScriptedBroker({ readIncident: () => INCIDENT });
    const context = cliContext({ broker });
    const call = { args: ['alr_1'], options: { html } };
    await runIncidentReport(context, call);
    expect(broker.asked).toMatchObject([{ id: 'readIncident', query: { all: true } }]);
    expect(await readFile(html, 'utf8')).toContain('own/crown');
    expect((await stat(html)).mode & 0o777).toBe(0o600);
    await expect(runIncidentReport(context, call)).rejects.toThrow('the file exists already');
    await rm(directory, { recursive: true });
  });
});
