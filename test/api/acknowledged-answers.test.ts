import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import { EventReader } from '../kit/api/event-reader.ts';
import { RunningApi, type Answered } from '../kit/api/running-api.ts';
import { HttpReceiver } from '../kit/log/sink-receivers.ts';

/** Limit of the streams of one pod. */
const MOST_STREAMS = 4;

let receiver: HttpReceiver;
let api: RunningApi;
let token: string;

async function open(): Promise<void> {
  receiver = await HttpReceiver.start();
  api = await RunningApi.start({ audit: settings(30) });
  await api.seed();
  token = await api.logIn();
  const body = { data: { password: 'hunter2' } };
  await api.call('PUT', '/api/v1/secrets/app/db', { token, body });
}
async function close(): Promise<void> {
  receiver.isRefusing = false;
  await api.stop();
  await receiver.close();
}

const settings = (acknowledgeWithinSeconds: number) => ({
  acknowledgeWithinSeconds,
  sinks: [{ type: 'http' as const, url: receiver.url, mustAcknowledge: true }],
});

/** Makes answers wait so long from now on. */
const waitFor = (seconds: number): void => api.broker.trail.replaceSinks(settings(seconds));

const read = (): Promise<Answered> => api.call('GET', '/api/v1/secrets/app/db', { token });

/** Reports whether the receiver has an entry of this action that it did not have before. */
function hasNew(action: string, before: ReadonlyMap<number, string>): boolean {
  const entries = [...receiver.entries()].filter(([index]) => !before.has(index));
  return entries.some(([, entry]) => entry.includes(`"action":"${action}"`));
}

/**
 * Starts work while the receiver refuses entries, lets `meanwhile` happen while its answer waits, and checks that the answer leaves only once the
 * receiver has the entry.
 */
async function withheldUntilAcknowledged<T>(
  action: string,
  work: () => Promise<T>,
  meanwhile: () => Promise<unknown> = () => Promise.resolve(),
): Promise<T> {
  const before = receiver.entries();
  receiver.isRefusing = true;
  let entryWasThere: boolean | undefined;
  const answer = work().then((answered) => {
    entryWasThere = hasNew(action, before);
    return answered;
  });
  const { acknowledgements } = api.broker.trail;
  await until('the answer waits', () => Promise.resolve(acknowledgements.status().waiting > 0));
  await meanwhile();
  expect(entryWasThere).toBeUndefined();
  receiver.isRefusing = false;
  const answered = await answer;
  expect(entryWasThere).toBe(true);
  return answered;
}

describe('with a sink that must acknowledge, an event stream', () => {
  beforeAll(open);
  afterAll(close);

  it('sends nothing before the sink has the entry of its start', async () => {
    const stream = await withheldUntilAcknowledged('event.follow', () =>
      EventReader.open(api.url, token),
    );
    if (!(stream instanceof EventReader)) throw new Error('no stream');
    await stream.next('ready');
    stream.close();
  });

  it('sends events, which have no values, while answers wait', async () => {
    const stream = await EventReader.open(api.url, token);
    if (!(stream instanceof EventReader)) throw new Error('no stream');
    await stream.next('ready');
    await read();
    const body = { data: { password: 'correct horse' } };
    const write = await withheldUntilAcknowledged(
      'secret.write',
      () => api.call('PUT', '/api/v1/secrets/app/db', { token, body }),
      async () => {
        const { data } = await stream.next('secret.changed');
        expect(JSON.stringify(data)).not.toContain('horse');
      },
    );
    expect(write.status).toBe(200);
    stream.close();
  });

  it('takes no place of its pod if its answer is withheld (F25)', async () => {
    waitFor(1);
    receiver.isRefusing = true;
    for (let opened = 0; opened <= MOST_STREAMS; opened += 1) {
      const refused = await EventReader.open(api.url, token);
      expect(refused).toMatchObject({ status: 503 });
    }
    receiver.isRefusing = false;
    waitFor(30);
    const stream = await EventReader.open(api.url, token);
    if (!(stream instanceof EventReader)) throw new Error('no stream');
    await stream.next('ready');
    stream.close();
  });
});

describe('with a sink that must acknowledge, a seal', () => {
  beforeAll(open);
  afterAll(close);

  it('takes effect at once, waits only with its answer, and withholds the secret of a read that waited (F25)', async () => {
    const body = { reason: 'INC-9' };
    let sealed: Promise<Answered> | undefined;
    const answer = await withheldUntilAcknowledged('secret.read', read, async () => {
      sealed = api.call('POST', '/api/v1/seal', { token: api.admin, body });
      await until('the broker is sealed', () =>
        Promise.resolve(api.broker.unready().includes('ERR_SEALED')),
      );
      const { acknowledgements } = api.broker.trail;
      await until('both answers wait', () =>
        Promise.resolve(acknowledgements.status().waiting === 2),
      );
    });
    expect(answer).toMatchObject({ status: 503, body: { code: 'ERR_SEALED' } });
    expect(answer.text).not.toContain('hunter2');
    expect(await sealed).toMatchObject({ status: 200, body: { sealed: true } });
    expect(hasNew('broker.seal', new Map())).toBe(true);
  });
});
