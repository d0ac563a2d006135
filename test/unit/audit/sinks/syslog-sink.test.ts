import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TlsOptions } from 'node:tls';
import { auditConfigSchema } from '../../../../src/audit/base/config.ts';
import { Follower } from '../../../../src/audit/sinks/follower.ts';
import { SinkCursors } from '../../../../src/audit/sinks/sink-cursor.ts';
import { escapeParameter, syslogFrame } from '../../../../src/audit/sinks/syslog-message.ts';
import { SyslogSink } from '../../../../src/audit/sinks/syslog.ts';
import { KeyringRowMacs } from '../../../../src/broker/kernel/row-macs.ts';
import { systemClock } from '../../../../src/process/clock.ts';
import { Keyring } from '../../../../src/crypto/keys/keyring.ts';
import { generateRootKey } from '../../../../src/crypto/keys/root-keys.ts';
import { until } from '../../../kit/backends/until.ts';
import { CertificateAuthority } from '../../../kit/network/certificates.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { LogBench } from '../../../kit/log/log-bench.ts';
import { parseSyslog, SyslogReceiver } from '../../../kit/log/sink-receivers.ts';
import { movedUntil } from '../../../kit/time/moved.ts';
import { anyCharacter } from '../../../kit/checks/characters.ts';

const ORIGIN = 'log.example/prod';
const ENTRY =
  '{"writer":"w-1","seq":3,"prev":"00","time":"2026-01-02T03:04:05.678Z","action":"secret.read","outcome":"ok","comment":"say \\"hi\\"]\\n\\u00e9\\\\"}';

let directory: string;
let authority: CertificateAuthority;
let receiver: SyslogReceiver;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'syslog-sink-'));
  authority = new CertificateAuthority();
  await writeFile(join(directory, 'ca.pem'), authority.cert);
  receiver = await SyslogReceiver.start(serverCertificate());
});
afterEach(async () => {
  await receiver.close();
  await rm(directory, { recursive: true });
});

function serverCertificate(): TlsOptions {
  const request = { commonName: 'siem', ipAddresses: ['127.0.0.1'], dnsNames: ['siem.example'] };
  return authority.issue(request);
}

function sinkTo(
  { port }: { readonly port: number },
  more: { serverName?: string; certFile?: string; keyFile?: string } = {},
  clock: ConstructorParameters<typeof SyslogSink>[1] = systemClock,
): SyslogSink {
  const caFile = join(directory, 'ca.pem');
  return new SyslogSink({ type: 'syslog', host: '127.0.0.1', port, caFile, ...more }, clock);
}

function delivery(first: number, ...entries: readonly string[]) {
  return { origin: ORIGIN, first, entries };
}

function arrived(count: number): Promise<void> {
  return until(`${count} messages arrived`, () =>
    Promise.resolve(receiver.messages.length >= count),
  );
}

describe('a syslog message', () => {
  it('has its length in octets, the header, the place of the entry, and its text', () => {
    const frame = syslogFrame({
      origin: ORIGIN,
      index: 41,
      entry: ENTRY,
      text: ENTRY,
      host: 'broker-0',
    });
    const message = `<110>1 2026-01-02T03:04:05.678Z broker-0 quaymaster w-1 secret.read [quaymaster@32473 index="41" origin="log.example/prod"] ${ENTRY}`;
    expect(frame.toString()).toBe(`${Buffer.byteLength(message)} ${message}`);
  });

  it.each([
    ['ok', 110],
    ['deny', 108],
    ['error', 107],
  ])('has for the outcome %s the priority %i', (outcome, priority) => {
    const entry = ENTRY.replace('"outcome":"ok"', `"outcome":"${outcome}"`);
    const frame = syslogFrame({
      origin: ORIGIN,
      index: 0,
      entry,
      text: entry,
      host: 'h',
    }).toString();
    expect(frame).toContain(`<${priority}>1 `);
  });

  it('has "-" for a header field that it cannot have', () => {
    const frame = syslogFrame({
      origin: ORIGIN,
      index: 0,
      entry: '{"time":"soon"}',
      text: '',
      host: 'é',
    });
    expect(frame.toString()).toMatch(/^\d+ <110>1 - - quaymaster - - \[/);
  });

  it('carries any origin, host and texts of an entry without a change', () => {
    const text = fc.oneof(
      fc.string({ unit: anyCharacter }),
      fc.string({ unit: fc.constantFrom('"', '\\', ']', '[', '\n', ' ', '=', 'é', '\u{1f511}') }),
    );
    fc.assert(
      fc.property(text, text, text, fc.nat(), (origin, host, action, index) => {
        const entry = JSON.stringify({ action });
        const frame = syslogFrame({ origin, index, entry, text: entry, host });
        const space = frame.indexOf(' ');
        expect(frame.length - space - 1).toBe(Number(frame.subarray(0, space).toString()));
        const message = parseSyslog(frame.subarray(space + 1).toString());
        expect(message.data).toEqual({
          index: String(index),
          origin: Buffer.from(origin).toString(),
        });
        expect(message.text).toBe(Buffer.from(entry).toString());
      }),
    );
  });

  it('escapes three characters and no other (RFC 5424 section 6.3.3)', () => {
    expect(escapeParameter('a"b\\c]d[e\nf=')).toBe('a\\"b\\\\c\\]d[e\nf=');
  });
});

describe('the syslog sink', () => {
  it('sends each entry in a frame of its own over TLS, and ends with close_notify', async () => {
    const sink = sinkTo(receiver);
    await sink.deliver(delivery(41, ENTRY, '{"a":1}'));
    await sink.deliver(delivery(43, '{"a":2}'));
    await sink.close();
    await arrived(3);
    await until('the connection ended', () => Promise.resolve(receiver.ended === 1));
    expect(receiver.errors).toEqual([]);
    expect(receiver.sockets).toHaveLength(1);
    expect(receiver.messages[0]).toEqual({
      priority: 110,
      timestamp: '2026-01-02T03:04:05.678Z',
      host: hostname(),
      app: 'quaymaster',
      process: 'w-1',
      id: 'secret.read',
      text: ENTRY,
      data: { index: '41', origin: ORIGIN },
    });
    expect([...receiver.entries().entries()].slice(1)).toEqual([
      [42, '{"a":1}'],
      [43, '{"a":2}'],
    ]);
  });

  it('sends entries of 64 KiB whole', async () => {
    const entry = `{"a":"${'x'.repeat(65_000)}"}`;
    const sink = sinkTo(receiver);
    await sink.deliver(delivery(0, ...Array.from({ length: 20 }, () => entry)));
    await sink.close();
    await arrived(20);
    expect([...receiver.entries().values()]).toEqual(Array.from({ length: 20 }, () => entry));
  });

  it('closes the connection to a receiver that sends without an end', async () => {
    const sink = sinkTo(receiver);
    await sink.deliver(delivery(0, '{"a":0}'));
    await arrived(1);
    const [socket] = receiver.sockets;
    socket!.write(Buffer.alloc(1_000_000));
    await until('the connection is closed', () => Promise.resolve(socket!.destroyed));
    await sink.close();
  });

  it('reports a lost connection at the next delivery, and then connects again', async () => {
    const sink = sinkTo(receiver);
    await sink.deliver(delivery(0, '{"a":0}'));
    await arrived(1);
    receiver.cut();
    const lost = async (): Promise<boolean> =>
      sink.deliver(delivery(1, '{"a":1}')).then(
        () => false,
        (error: unknown) => String(error) === 'SinkError: the connection to the receiver was lost',
      );
    await until('the sink noticed the loss', lost);
    await sink.deliver(delivery(2, '{"a":2}'));
    await sink.close();
    await until('the last entry arrived', () => Promise.resolve(receiver.entries().has(2)));
  });

  it('gives up a receiver that reads nothing for 30 s (F25)', async () => {
    receiver.isDeaf = true;
    const clock = new HandClock();
    const sink = sinkTo(receiver, {}, clock);
    const entry = `{"a":"${'x'.repeat(65_000)}"}`;
    const entries = Array.from({ length: 256 }, () => entry);
    let outcome = '';
    const delivered = sink.deliver(delivery(0, ...entries)).then(
      () => (outcome = 'delivered'),
      (error: unknown) => (outcome = String(error)),
    );
    await movedUntil('the sink gave up', { clock, stepMs: 1_000 }, () =>
      Promise.resolve(outcome !== ''),
    );
    await delivered;
    await sink.close();
    expect(outcome).toBe('SinkError: the receiver read nothing for 30 s');
  });

  it('trusts only the authority in caFile', async () => {
    const sink = sinkTo(receiver);
    await writeFile(join(directory, 'ca.pem'), new CertificateAuthority().cert);
    await expect(sink.deliver(delivery(0, '{}'))).rejects.toThrow(
      'the receiver could not be reached: ',
    );
    await writeFile(join(directory, 'ca.pem'), `${authority.cert}\n`);
    await sink.deliver(delivery(0, '{}'));
    await sink.close();
    await arrived(1);
    expect(receiver.messages).toHaveLength(1);
  });

  it('requires the name of the server in its certificate', async () => {
    const named = sinkTo(receiver, { serverName: 'siem.example' });
    await named.deliver(delivery(0, '{}'));
    await named.close();
    const other = sinkTo(receiver, { serverName: 'other.example' });
    await expect(other.deliver(delivery(0, '{}'))).rejects.toThrow(
      'the receiver could not be reached: ERR_TLS_CERT_ALTNAME_INVALID',
    );
    await other.close();
  });

  it('shows its client certificate, and sends nothing to a receiver that refuses it', async () => {
    const clients = new CertificateAuthority();
    const strict = { ...serverCertificate(), requestCert: true, ca: clients.cert };
    const picky = await SyslogReceiver.start(strict);
    const { cert, key } = clients.issue({ commonName: 'broker' });
    const files = { certFile: join(directory, 'cert.pem'), keyFile: join(directory, 'key.pem') };
    await writeFile(files.certFile, cert);
    await writeFile(files.keyFile, key, { mode: 0o600 });
    const without = sinkTo(picky);
    await expect(without.deliver(delivery(0, '{}'))).rejects.toThrow(
      /^the receiver could not be reached: |^the connection to the receiver was lost/,
    );
    await without.close();
    const sink = sinkTo(picky, files);
    await sink.deliver(delivery(1, '{}'));
    await sink.close();
    await until('the entry arrived', () => Promise.resolve(picky.entries().has(1)));
    expect([...picky.entries().keys()]).toEqual([1]);
    await picky.close();
  });
});

describe('the follower of a syslog sink', () => {
  const rows = new KeyringRowMacs(new Keyring(generateRootKey()));
  let clock: HandClock;
  let bench: LogBench;
  beforeEach(async () => {
    clock = new HandClock();
    bench = await LogBench.open(clock);
  });
  afterEach(() => bench.remove());

  function follow(): { follower: Follower; errors: unknown[] } {
    const errors: unknown[] = [];
    const cursors = new SinkCursors(bench.store, rows);
    const sink = sinkTo(receiver, {}, clock);
    const onError = (error: unknown): void => void errors.push(error);
    const follower = new Follower({ reader: bench.reader, cursors, clock, sink, onError });
    follower.start();
    return { follower, errors };
  }

  async function settle(what: string, done: () => boolean): Promise<void> {
    await movedUntil(what, { clock, stepMs: 250 }, () => Promise.resolve(done()));
  }

  async function record(count: number): Promise<void> {
    for (let i = 0; i < count; i += 50)
      await bench.record(...Array.from({ length: 50 }, () => ({})));
    await bench.integrate();
  }

  /** A loss is noticed when an entry is written after it. */
  async function recordUntilLost(errors: readonly unknown[]): Promise<void> {
    const before = errors.length;
    await movedUntil('the loss was noticed', { clock, stepMs: 250 }, async () => {
      await bench.record({});
      await bench.integrate();
      return errors.length > before;
    });
  }

  async function entries(): Promise<string[]> {
    return (await bench.reader.entries(0, 10_000)).map(({ entry }) => entry);
  }

  it('sends the last 1,024 entries again after the connection was lost, and after a start', async () => {
    await record(1_500);
    const first = follow();
    await settle('all entries arrived', () => receiver.messages.length === 1_501);
    receiver.cut();
    receiver.messages.length = 0;
    await recordUntilLost(first.errors);
    await settle('the cursor has moved', () => first.follower.status().lag === 0);
    expect(first.errors.map(String)).toEqual([
      'SinkError: the connection to the receiver was lost',
    ]);
    const size = await bench.reader.size();
    await until('the newest entry arrived', () =>
      Promise.resolve(receiver.entries().has(size - 1)),
    );
    const repeated = [...receiver.entries().keys()];
    const [from = 0] = repeated;
    expect(from).toBeLessThanOrEqual(size - 1_024);
    expect(repeated).toEqual(Array.from({ length: size - from }, (_, i) => from + i));
    await first.follower.close(0);
    receiver.messages.length = 0;
    const second = follow();
    await settle('they arrived again', () => receiver.messages.length === 1_024);
    await second.follower.close(0);
    const all = await entries();
    expect([...receiver.entries().entries()]).toEqual([...all.entries()].slice(-1_024));
  });

  it('has every entry in the end, however often the receiver cuts the connection', async () => {
    await record(2_000);
    const { follower, errors } = follow();
    for (let cuts = 0; cuts < 5; cuts++) {
      const before = receiver.messages.length;
      await settle('some arrived', () => receiver.messages.length > before);
      receiver.cut();
      await recordUntilLost(errors);
    }
    const all = await entries();
    await settle('all arrived', () => receiver.entries().size === all.length);
    await follower.close(0);
    const sorted = [...receiver.entries()].sort(([left], [right]) => left - right);
    expect(sorted.map(([, entry]) => entry)).toEqual(all);
  });
});

describe('the configuration of syslog sinks', () => {
  const base = { origin: ORIGIN, logKeyFile: '/etc/log.key', checkpointFile: '/var/checkpoint' };

  it.each([
    [{ host: 'siem.example' }, ''],
    [{ host: '192.0.2.1', port: 601 }, ''],
    [{ host: '2001:db8::1' }, ''],
    [{ host: 'siem.example', certFile: '/cert', keyFile: '/key' }, ''],
    [{ host: 'siem.example', certFile: '/cert' }, 'certFile and keyFile belong together'],
    [{ host: 'https://siem.example' }, 'is not a host name'],
    [{ host: 'siem.example', port: 0 }, '>=1'],
  ])('is accepted or named: %j: "%s"', (sink, message) => {
    const sinks = [{ type: 'syslog', ...sink }];
    const parsed = auditConfigSchema.safeParse({ ...base, sinks });
    const found = parsed.success
      ? ''
      : parsed.error.issues.map((issue) => issue.message).join('; ');
    if (message === '') expect(found).toBe('');
    else expect(found).toContain(message);
  });
});
