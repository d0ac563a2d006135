import { describe, expect, it } from '@jest/globals';
import {
  slackBody,
  pagerdutyBodies,
} from '../../../../src/domain/notifications/notification-bodies.ts';
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
    ['unmatched', { cause: 'pod_unknown', pod: undefined }],
    ['decoy', { query: 'source=decoy priority=critical rule=payments/root', cause: 'audit' }],
    ['posture', { query: 'source=posture priority=warning rule=production', cause: 'revoke' }],
    ['incident', { action: 'incident.open' }],
    ['answered', { action: 'alert.respond' }],
    ['quarantine', { action: 'quarantine.create', alert: undefined }],
    [undefined, { action: 'quarantine.create' }],
    [undefined, { cause: 'audit' }],
    [undefined, { cause: 'protected' }],
    [undefined, { action: 'secret.read' }],
    [undefined, { outcome: 'deny' }],
  ])('is %s for %j', (event, change) => {
    expect(read(change)?.event).toBe(event);
  });

  it('shortens the texts of sensors (NT03)', () => {
    const query = `source=falco priority=notice rule=${'x'.repeat(1_000)}`;
    expect(read({ query })?.rule).toHaveLength(200);
  });
});

describe('the bodies for others', () => {
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
