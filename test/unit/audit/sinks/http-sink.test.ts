import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { auditConfigSchema } from '../../../../src/audit/base/config.ts';
import { leafHashes } from '../../../../src/audit/records/entry.ts';
import { Follower } from '../../../../src/audit/sinks/follower.ts';
import type { Sink } from '../../../../src/audit/sinks/sink.ts';
import { SinkCursors } from '../../../../src/audit/sinks/sink-cursor.ts';
import { HttpSink } from '../../../../src/audit/sinks/http.ts';
import { KeyringRowMacs } from '../../../../src/broker/kernel/row-macs.ts';
import { systemClock } from '../../../../src/process/clock.ts';
import { Keyring } from '../../../../src/crypto/keys/keyring.ts';
import { generateRootKey } from '../../../../src/crypto/keys/root-keys.ts';
import { until } from '../../../kit/backends/until.ts';
import { CertificateAuthority } from '../../../kit/network/certificates.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { LogBench } from '../../../kit/log/log-bench.ts';
import { HttpReceiver } from '../../../kit/log/sink-receivers.ts';
import { movedUntil } from '../../../kit/time/moved.ts';

const ORIGIN = 'log.example/prod';

let directory: string;
let receiver: HttpReceiver;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'http-sink-'));
  receiver = await HttpReceiver.start();
});
afterEach(async () => {
  await receiver.close();
  await rm(directory, { recursive: true });
});

function delivery(first: number, ...entries: readonly string[]) {
  return { origin: ORIGIN, first, entries };
}

describe('the HTTP sink', () => {
  it('posts one entry a line with its index, and names the log, the first index and the count', async () => {
    const sink = new HttpSink({ type: 'http', url: receiver.url }, systemClock);
    await sink.deliver(delivery(41, '{"a":"say \\"hi\\"\\n"}', '{"a":"\\u00e9"}'));
    await sink.close();
    expect(receiver.requests).toHaveLength(1);
    expect(receiver.requests[0]?.text).toBe(
      '{"index":41,"entry":{"a":"say \\"hi\\"\\n"}}\n{"index":42,"entry":{"a":"\\u00e9"}}\n',
    );
    expect(receiver.requests[0]?.headers).toMatchObject({
      'content-type': 'application/x-ndjson',
      'quaymaster-log-origin': ORIGIN,
      'quaymaster-first-index': '41',
      'quaymaster-count': '2',
    });
  });

  it('sends at most 1 MiB of entries in a request, and a larger entry alone', async () => {
    const sink = new HttpSink({ type: 'http', url: receiver.url }, systemClock);
    const entry = `{"a":"${'x'.repeat(400_000)}"}`;
    const huge = `{"a":"${'y'.repeat(1_100_000)}"}`;
    await sink.deliver(delivery(0, entry, entry, entry, huge, entry));
    await sink.close();
    const parts = receiver.requests.map(({ headers }) => [
      headers['quaymaster-first-index'],
      headers['quaymaster-count'],
    ]);
    expect(parts).toEqual([
      ['0', '2'],
      ['2', '1'],
      ['3', '1'],
      ['4', '1'],
    ]);
    expect([...receiver.entries().keys()]).toEqual([0, 1, 2, 3, 4]);
  });

  it.each([
    ['an error', 500, 'the receiver answered 500'],
    ['a redirect, which it does not follow', 307, 'the receiver answered 307'],
    ['a closed connection', 'cut' as const, 'the receiver could not be reached: ECONNRESET'],
  ])('fails a delivery at %s', async (_, behaviour, message) => {
    receiver.behaviours.push(behaviour);
    const sink = new HttpSink({ type: 'http', url: receiver.url }, systemClock);
    await expect(sink.deliver(delivery(0, '{}'))).rejects.toThrow(message);
    expect(receiver.requests).toHaveLength(1);
    await sink.deliver(delivery(0, '{}'));
    await sink.close();
    expect(receiver.requests).toHaveLength(2);
  });

  it('passes on how long the receiver asks it to wait', async () => {
    receiver.behaviours.push({ retryAfter: '17' });
    const sink = new HttpSink({ type: 'http', url: receiver.url }, systemClock);
    await expect(sink.deliver(delivery(0, '{}'))).rejects.toMatchObject({ retryAfterSeconds: 17 });
    await sink.close();
  });

  it('gives up a receiver that does not answer within 30 s', async () => {
    receiver.behaviours.push('hang');
    const clock = new HandClock();
    const sink = new HttpSink({ type: 'http', url: receiver.url }, clock);
    const refused = expect(sink.deliver(delivery(0, '{}'))).rejects.toThrow(
      'no answer within 30 s',
    );
    await until('the request arrived', () => Promise.resolve(receiver.requests.length === 1));
    clock.advance(30_000);
    await refused;
    await sink.close();
  });

  it('sends the headers of a file as it is now, and shows no line of a malformed one', async () => {
    const headersFile = join(directory, 'headers');
    const sink = new HttpSink({ type: 'http', url: receiver.url, headersFile }, systemClock);
    await expect(sink.deliver(delivery(0, '{}'))).rejects.toThrow('headersFile cannot be read');
    await writeFile(headersFile, 'Authorization: Splunk first\nQuaymaster-Count: 9\n');
    await sink.deliver(delivery(0, '{}'));
    await writeFile(headersFile, 'Authorization: Splunk second-token\n');
    await sink.deliver(delivery(1, '{}'));
    await writeFile(headersFile, 'canary-token\n');
    const refused: unknown = await sink.deliver(delivery(2, '{}')).catch((error: unknown) => error);
    await sink.close();
    expect(receiver.requests.map(({ headers }) => headers.authorization)).toEqual([
      'Splunk first',
      'Splunk second-token',
    ]);
    expect(receiver.requests[0]?.headers['quaymaster-count']).toBe('1');
    expect(String(refused)).toBe('Error: headersFile: line 1 is not "Name: value"');
  });

  it.each([
    ['trusts the authority in caFile', true],
    ['refuses a certificate of another authority', false],
  ])('%s', async (_, isTrusted) => {
    const authority = new CertificateAuthority();
    const certificate = authority.issue({ commonName: 'siem', ipAddresses: ['127.0.0.1'] });
    const secure = await HttpReceiver.start(certificate);
    const caFile = join(directory, 'ca.pem');
    await writeFile(caFile, (isTrusted ? authority : new CertificateAuthority()).cert);
    const sink = new HttpSink({ type: 'http', url: secure.url, caFile }, systemClock);
    const delivered = sink.deliver(delivery(0, '{}'));
    if (isTrusted) await delivered;
    else await expect(delivered).rejects.toThrow('the receiver could not be reached: ');
    await sink.close();
    await secure.close();
    expect(secure.requests).toHaveLength(isTrusted ? 1 : 0);
  });
});

describe('the follower of an HTTP sink', () => {
  const rows = new KeyringRowMacs(new Keyring(generateRootKey()));
  let clock: HandClock;
  let bench: LogBench;
  beforeEach(async () => {
    clock = new HandClock();
    bench = await LogBench.open(clock);
  });
  afterEach(() => bench.remove());

  function follow(sink: Sink, isActive = (): boolean => true) {
    const errors: unknown[] = [];
    const cursors = new SinkCursors(bench.store, rows);
    const onError = (error: unknown): void => void errors.push(error);
    const follower = new Follower({
      reader: bench.reader,
      cursors,
      clock,
      sink,
      isActive,
      onError,
    });
    follower.start();
    return { follower, errors };
  }

  async function settle(done: () => boolean): Promise<void> {
    await movedUntil('the follower has settled', { clock, stepMs: 250 }, () =>
      Promise.resolve(done()),
    );
  }

  async function entries(): Promise<string[]> {
    return (await bench.reader.entries(0, 10_000)).map(({ entry }) => entry);
  }

  function newSink(): HttpSink {
    return new HttpSink({ type: 'http', url: receiver.url }, systemClock);
  }

  async function record(count: number): Promise<void> {
    for (let i = 0; i < count; i += 50)
      await bench.record(...Array.from({ length: 50 }, () => ({})));
    await bench.integrate();
  }

  it('delivers every entry although the receiver fails again and again (F25)', async () => {
    await record(600);
    receiver.behaviours.push(500, 204, 'cut', 503, 'cut', 204, 302);
    const { follower, errors } = follow(newSink());
    await settle(() => follower.status().isFailing);
    await settle(() => follower.status().lag === 0);
    expect(follower.status().isFailing).toBe(false);
    await follower.close(0);
    expect(errors).toHaveLength(5);
    expect([...receiver.entries().values()]).toEqual(await entries());
    expect(receiver.requests[0]?.headers['quaymaster-log-origin']).toBe(
      (await bench.reader.checkpoint())?.origin,
    );
  });

  it('repeats what was not acknowledged when the process ended, and nothing before it (F24)', async () => {
    await record(300);
    receiver.behaviours.push(204, 'hang');
    const killed = follow(newSink());
    await settle(() => receiver.requests.length === 2);
    const again = follow(newSink());
    await settle(() => again.follower.status().lag === 0);
    await again.follower.close(0);
    const firsts = receiver.requests.map(({ headers }) => headers['quaymaster-first-index']);
    expect(firsts).toEqual(['0', '256', '256']);
    expect([...receiver.entries().values()]).toEqual(await entries());
    const leaves = leafHashes(Buffer.from([...receiver.entries().values()].join('\n')));
    expect(leaves).toHaveLength(301);
    const closed = killed.follower.close(0);
    clock.advance(1);
    await closed;
  });

  it('leaves no timer when it is closed', async () => {
    await record(1);
    const { follower } = follow(newSink());
    await settle(() => follower.status().lag === 0);
    const sleep = clock.sleep.bind(clock);
    const signals: (AbortSignal | undefined)[] = [];
    clock.sleep = (ms, signal) => {
      signals.push(signal);
      return sleep(ms, signal);
    };
    await follower.close(2_000);
    expect(signals.map((signal) => signal?.aborted)).toEqual([true, true]);
  });

  it('delivers from one of several brokers, and continues at the cursor of the one before', async () => {
    await record(50);
    const active = { first: true, second: false };
    const first = follow(newSink(), () => active.first);
    const second = follow(newSink(), () => active.second);
    await settle(() => first.follower.status().lag === 0);
    expect(second.follower.status().lag).toBeUndefined();
    Object.assign(active, { first: false, second: true });
    await record(50);
    await settle(() => second.follower.status().lag === 0);
    await settle(() => first.follower.status().lag === undefined);
    Object.assign(active, { first: true, second: false });
    await record(50);
    await settle(() => first.follower.status().lag === 0);
    await Promise.all([first.follower.close(0), second.follower.close(0)]);
    const indices = receiver.requests.flatMap(({ text }) => text.match(/(?<=^\{"index":)\d+/gm));
    expect(indices.map(Number)).toEqual(Array.from({ length: 151 }, (_, index) => index));
    expect([...receiver.entries().values()]).toEqual(await entries());
  });
});

describe('the configuration of HTTP sinks', () => {
  const base = {
    origin: ORIGIN,
    logKeyFile: '/etc/log.key',
    checkpointFile: '/var/checkpoint',
  };

  function problem(...sinks: readonly object[]): string {
    const parsed = auditConfigSchema.safeParse({ ...base, sinks });
    return parsed.success ? '' : parsed.error.issues.map(({ message }) => message).join('; ');
  }

  it.each([
    ['https://siem.example/audit', ''],
    ['https://siem.example:8443', ''],
    ['http://127.0.0.1:8080/audit', ''],
    ['http://[::1]:8080/', ''],
    ['http://siem.example/audit', 'is https://host[:port]/path'],
    ['https://user:canary@siem.example/', 'without credentials'],
    ['https://siem.example/?token=canary', 'must have no query'],
    ['ftp://siem.example/', 'Invalid URL'],
  ])('is accepted or named: %s: "%s"', (url, message) => {
    const found = problem({ type: 'http', url });
    if (message === '') expect(found).toBe('');
    else expect(found).toContain(message);
    expect(found).not.toContain('canary');
  });

  it('refuses two sinks with one address', () => {
    const sink = { type: 'http', url: 'https://siem.example/audit' };
    expect(problem(sink, { ...sink, caFile: '/etc/ca.pem' })).toBe('each sink may be named once');
  });

  it('accepts no headers in the configuration itself', () => {
    const url = 'https://siem.example/audit';
    expect(problem({ type: 'http', url, headers: { authorization: 'x' } })).toContain('headers');
  });
});
