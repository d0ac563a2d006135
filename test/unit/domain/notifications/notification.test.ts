import { describe, expect, it } from '@jest/globals';
import {
  slackBody,
  pagerdutyBodies,
} from '../../../../src/domain/notifications/notification-bodies.ts';
import { AUDIT_ACTIONS, encodeTexts } from '../../../../src/domain/audit/audit-actions.ts';
import { notificationOf } from '../../../../src/domain/notifications/notification.ts';

const POD = { cluster: 'prod', namespace: 'shop', name: 'web-0', uid: 'u' };
const ALERT = {
  time: '2026-11-27T12:00:00.000Z',
  action: 'alert.receive',
  outcome: 'ok',
  alert: 'alr_1',
  query: 'source=falco priority=notice rule=Terminal shell in container',
  cause: 'quarantine',
  pod: POD,
};

function read(change: object): ReturnType<typeof notificationOf> {
  return notificationOf(JSON.stringify({ ...ALERT, ...change }), 7);
}

/** The names of all text facts of an entry. */
const TEXT_FACTS: readonly string[] = Object.keys(
  JSON.parse(
    `{"all":""${encodeTexts(
      new Proxy({}, { get: (_, name) => (name === 'locator' ? undefined : 'text') }),
      () => '',
      (name) => `,"${name}":"text"`,
    )}}`,
  ) as object,
);

describe('a notification', () => {
  it('has the facts of its entry', () => {
    expect(read({})).toEqual({
      index: 7,
      event: 'cut-off',
      severity: 'critical',
      time: ALERT.time,
      alert: 'alr_1',
      source: 'falco',
      rule: 'Terminal shell in container',
      subject: 'prod/shop/web-0',
      summary: 'prod/shop/web-0 was cut off (falco: Terminal shell in container)',
    });
  });

  it.each([
    ['cut-off', { cause: 'revoke' }],
    ['limit', { cause: 'over_limit' }],
    ['limit', { cause: 'no_room' }],
    ['limit', { query: 'source=posture priority=warning rule=production', cause: 'over_limit' }],
    ['unmatched', { cause: 'pod_unknown', pod: undefined }],
    ['decoy', { query: 'source=decoy priority=critical rule=payments/root', cause: 'audit' }],
    ['posture', { query: 'source=posture priority=warning rule=production', cause: 'revoke' }],
    ['incident', { action: 'incident.open' }],
    ['answered', { action: 'alert.respond' }],
    ['quarantine', { action: 'quarantine.create', alert: undefined }],
    [undefined, { action: 'quarantine.create' }],
    [undefined, { cause: 'audit' }],
    [undefined, { cause: 'joined', count: 40 }],
    [undefined, { cause: 'protected' }],
    [undefined, { action: 'secret.read' }],
    [undefined, { outcome: 'deny' }],
  ])('is %s for %j', (event, change) => {
    expect(read(change)?.event).toBe(event);
  });

  it.each(AUDIT_ACTIONS)('has no text but names of an entry of %s (NT03)', (action) => {
    const named = { source: 'falco', rule: 'a rule', alert: 'alr_1', subject: 'prod/shop/web-0' };
    const leaks = Object.fromEntries(
      [...TEXT_FACTS, 'actor', 'client', 'document', 'policy', 'boot', 'log', 'archive', 'unknown']
        .filter((name) => !['alert', 'query', 'cause'].includes(name))
        .map((name) => [name, `value-of-${name}`]),
    );
    for (const cause of ['quarantine', 'no_pod_named', 'over_limit', 'joined', 'audit', 'else'])
      for (const source of ['falco', 'decoy', 'posture', 'operator']) {
        const query = `source=${source} priority=notice rule=a rule`;
        const notification = read({ ...leaks, action, cause, query, workload: 'k8s://prod/a/b' });
        const { index, event, severity, time, summary, ...facts } = notification ?? {};
        expect({ ...named, source }).toMatchObject(facts);
        expect(JSON.stringify([index, event, severity, time, summary])).not.toContain('value-of');
      }
  });

  it('shortens the texts of sensors (NT03)', () => {
    const query = `source=falco priority=notice rule=${'x'.repeat(1_000)}`;
    expect(read({ query })?.rule).toHaveLength(200);
  });

  it('replaces the characters of sensors that turn or hide text around them (NT03)', () => {
    const query = 'source=falco priority=notice rule=a\u202egnp\u200b.\u{e0041}\u2028\u0007b';
    expect(read({ query })).toMatchObject({
      rule: 'a gnp . b',
      summary: expect.not.stringMatching(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u),
    });
  });
});

describe('the bodies for others', () => {
  // https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
  it('have the members that PagerDuty documents, within its limits', () => {
    const long = {
      pod: { ...POD, name: 'x'.repeat(900) },
      query: `source=s priority=p rule=${'r'.repeat(900)}`,
    };
    const notifications = [read(long)].filter((each) => each !== undefined);
    const [body = ''] = pagerdutyBodies({ origin: 'o'.repeat(300), notifications }, 'key');
    const event = JSON.parse(body) as {
      readonly dedup_key: string;
      readonly payload: { readonly summary: string; readonly timestamp: string };
    };
    expect(Object.keys(event).sort()).toEqual([
      'dedup_key',
      'event_action',
      'payload',
      'routing_key',
    ]);
    expect(Object.keys(event.payload).sort()).toEqual([
      'class',
      'component',
      'custom_details',
      'severity',
      'source',
      'summary',
      'timestamp',
    ]);
    expect(event.dedup_key.length).toBeLessThanOrEqual(255);
    expect(event.payload.summary.length).toBeLessThanOrEqual(1_024);
    expect(event.payload.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(body.length).toBeLessThan(512_000);
  });

  it('make one incident at PagerDuty of an incident about many pods', () => {
    const notifications = ['a', 'b']
      .map((name) => read({ action: 'incident.open', pod: { ...POD, name } }))
      .filter((each) => each !== undefined);
    expect(pagerdutyBodies({ origin: 'log', notifications }, 'key')).toHaveLength(1);
  });

  // https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
  it('are one text for Slack, within its limit, in which no text of others is markup (NT03)', () => {
    const hostile = '<!channel> <https://evil.example|click> & co';
    const notifications = Array.from({ length: 300 }, () =>
      read({ query: `source=s priority=p rule=${hostile}${'r'.repeat(900)}` }),
    ).filter((each) => each !== undefined);
    const body = JSON.parse(slackBody({ origin: 'log', notifications })) as { text: string };
    expect(Object.keys(body)).toEqual(['text']);
    expect(body.text.length).toBeLessThan(40_000);
    expect(body.text).not.toMatch(/[<>]/);
  });

  const many = Array.from({ length: 30 }, () => read({})).filter((each) => each !== undefined);

  it('count what Slack does not show', () => {
    const { text } = JSON.parse(slackBody({ origin: 'log', notifications: many })) as {
      text: string;
    };
    expect(text.split('\n')).toHaveLength(21);
    expect(text).toContain('and 10 more');
  });

  it('make one event of a flood about one pod for PagerDuty', () => {
    const bodies = pagerdutyBodies({ origin: 'log', notifications: many }, 'key');
    expect(bodies.map((body) => JSON.parse(body) as unknown)).toMatchObject([
      { dedup_key: 'log cut-off prod/shop/web-0', payload: { custom_details: { count: 30 } } },
    ]);
  });
});
