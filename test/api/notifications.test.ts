import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { notificationMetrics } from '../../src/audit/sinks/notification-metrics.ts';
import { notificationsConfigSchema } from '../../src/audit/sinks/config.ts';
import { importWebhookKey, signWebhook } from '../../src/crypto/signatures/webhook-signature.ts';
import { testMetrics } from '../kit/api/test-metrics.ts';
import { until } from '../kit/backends/until.ts';
import { FakeApiServer } from '../kit/fakes/fake-api-server.ts';
import { RunningApi } from '../kit/api/running-api.ts';
import { HttpReceiver } from '../kit/log/sink-receivers.ts';
import { holderOf, watchCluster, type Holder } from '../kit/cluster/readers.ts';

const SECRET = 'a-secret-of-the-sensors';
const KEY = '0123456789abcdefghijklmnopqrstuvwxyz';

let directory: string;
let kube: FakeApiServer;
let api: RunningApi;
let own: HttpReceiver;
let slack: HttpReceiver;
let pagerduty: HttpReceiver;
let pods = 0;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qm-notifications-'));
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(join(directory, name), `${text}\n`);
    return join(directory, name);
  };
  [own, slack, pagerduty] = await Promise.all([
    HttpReceiver.start(),
    HttpReceiver.start(),
    HttpReceiver.start(),
  ]);
  kube = await FakeApiServer.start();
  kube.createAccount('prod', 'api');
  const authenticate = { bearer: { secretFile: await file('bearer', SECRET) } };
  api = await RunningApi.start({
    connections: { kube: kube.access },
    alerts: {
      sources: {
        falco: {
          format: 'generic',
          cluster: 'watched',
          authenticate,
          maxResponses: 100,
          maxWorkloadPercent: 100,
        },
      },
    },
  });
  const receivers = {
    own: { format: 'quaymaster', url: own.url, secretFile: await file('key', KEY) },
    slack: { format: 'slack', urlFile: await file('slack', slack.url), events: ['cut-off'] },
    pagerduty: {
      format: 'pagerduty',
      url: pagerduty.url,
      routingKeyFile: await file('routing', 'routing-key'),
      events: ['cut-off', 'unmatched'],
    },
  };
  api.broker.trail.notify(notificationsConfigSchema.parse(receivers));
  await api.seed();
  await watchCluster({ api, kube });
  await api.put('response-rules/all', { order: 1, match: {}, action: 'quarantine' });
});
afterAll(async () => {
  await api.stop();
  await kube.close();
  await Promise.all([own, slack, pagerduty].map((receiver) => receiver.close()));
  await rm(directory, { recursive: true });
});
beforeEach(() => {
  for (const receiver of [own, slack, pagerduty]) receiver.requests.length = 0;
});

async function attack(rule: string, known = true): Promise<Holder> {
  pods += 1;
  const spec = { containers: [{ name: 'web', image: 'registry.test/web:1' }] };
  const pod = kube.pods.create({
    namespace: 'prod',
    name: `web-${pods}`,
    serviceAccount: 'api',
    spec,
  });
  const holder = await holderOf({ api, kube }, pod);
  const { uid } = pod.metadata;
  await api.call('POST', '/api/v1/alert-sources/falco/alerts', {
    headers: { Authorization: `Bearer ${SECRET}` },
    body: {
      rule,
      priority: 'critical',
      time: new Date().toISOString(),
      pod: { uid: known ? uid : 'unknown' },
    },
  });
  return holder;
}

function texts(receiver: HttpReceiver): string {
  return receiver.requests.map(({ text }) => text).join('\n');
}

async function untilNotified(receiver: HttpReceiver, part: string): Promise<void> {
  await until(`the notification of ${part}`, () => Promise.resolve(texts(receiver).includes(part)));
}

it('signs an event over its time and its body, and names the entry that proves it (NT02)', async () => {
  const { pod } = await attack('signed shell');
  await untilNotified(own, 'signed shell');
  const { headers, text } = own.requests.find((each) => each.text.includes('signed shell')) ?? {
    headers: {},
    text: '',
  };
  const body = JSON.parse(text) as { origin: string; events: { rule?: string; index: number }[] };
  const event = body.events.find(({ rule }) => rule === 'signed shell');
  expect(event).toMatchObject({
    event: 'cut-off',
    severity: 'critical',
    source: 'falco',
    subject: `watched/prod/${pod.metadata.name}`,
    summary: `watched/prod/${pod.metadata.name} was cut off (falco: signed shell)`,
  });
  const [, at, id] = /^t=(\d+),id=(\w+),/.exec(String(headers['quaymaster-signature'])) ?? [];
  const key = importWebhookKey(KEY);
  const message = {
    direction: 'notification',
    at: Number(at),
    id: id ?? '',
    body: Buffer.from(text),
  } as const;
  expect(key && signWebhook(key, message)).toBe(headers['quaymaster-signature']);
  const { items } = (
    await api.call('GET', '/api/v1/audit/entries?action=alert.receive', { token: api.admin })
  ).body;
  const found = (items as { index: number; entry: object }[]).find(
    ({ index }) => index === event?.index,
  );
  expect(JSON.stringify(found?.entry)).toContain('signed shell');
});

it('sends a message to Slack in which a rule cannot mention a channel (NT03)', async () => {
  await attack('<!channel> & co');
  await untilNotified(slack, '&lt;!channel&gt; &amp; co');
  expect(texts(slack)).not.toContain('<!channel>');
});

it('sends an event to PagerDuty for each subject, and only the events that it wants', async () => {
  const { pod } = await attack('paged shell');
  await untilNotified(pagerduty, 'paged shell');
  const event = pagerduty.requests
    .map(({ text }) => JSON.parse(text) as { payload: { summary: string } })
    .find(({ payload }) => payload.summary.includes('paged shell'));
  expect(event).toMatchObject({
    routing_key: 'routing-key',
    event_action: 'trigger',
    payload: { severity: 'critical', class: 'cut-off', custom_details: { count: 1 } },
  });
  expect(event).toHaveProperty(
    'dedup_key',
    expect.stringMatching(`cut-off watched/prod/${pod.metadata.name}$`),
  );
  await attack('lost shell', false);
  await untilNotified(pagerduty, 'names no pod');
  expect(texts(slack)).not.toContain('lost shell');
});

it('retries until the receiver accepts an event, and counts what it has not accepted (NT01)', async () => {
  own.isRefusing = true;
  await attack('retried shell');
  const metric = async (name: string): Promise<number> => {
    const metrics = testMetrics();
    metrics.add(notificationMetrics(api.broker.trail));
    const start = `quaymaster_notifications_${name}{receiver="own"} `;
    const line = (await metrics.text()).split('\n').find((each) => each.startsWith(start));
    return Number(line?.slice(start.length));
  };
  await until('the failure', async () => (await metric('failing')) === 1);
  expect(await metric('undelivered')).toBeGreaterThan(0);
  own.isRefusing = false;
  await untilNotified(own, 'retried shell');
  await until('the success', async () => (await metric('undelivered')) === 0);
});

it('contains no value of a secret (NT03)', async () => {
  await attack('quiet shell');
  await untilNotified(own, 'quiet shell');
  for (const receiver of [own, slack, pagerduty]) {
    expect(texts(receiver)).not.toContain('"v"');
    expect(texts(receiver)).not.toContain(SECRET);
  }
});
