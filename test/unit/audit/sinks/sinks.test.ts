import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  appendFile,
  mkdtemp,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { systemClock } from '../../../../src/process/clock.ts';
import type { SinkConfig } from '../../../../src/audit/base/config.ts';
import { Follower, type FollowerOptions } from '../../../../src/audit/sinks/follower.ts';
import type { Delivery, Sink } from '../../../../src/audit/sinks/sink.ts';
import { readSinkStatus } from '../../../../src/audit/sinks/sink-status.ts';
import { SinkCursors } from '../../../../src/audit/sinks/sink-cursor.ts';
import { KeyringRowMacs } from '../../../../src/broker/kernel/row-macs.ts';
import { Keyring } from '../../../../src/crypto/keys/keyring.ts';
import { generateRootKey } from '../../../../src/crypto/keys/root-keys.ts';
import { FileSink } from '../../../../src/audit/sinks/file.ts';
import { openSink } from '../../../../src/audit/sinks/open-sink.ts';
import { StreamSink } from '../../../../src/audit/sinks/stdout.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { LogBench } from '../../../kit/log/log-bench.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sink-'));
});
afterEach(() => rm(directory, { recursive: true }));

/** Lines of entries, without the heads of deliveries. */
async function linesOf(path: string): Promise<string[]> {
  return (await allLinesOf(path)).filter((line) => !line.startsWith('{"delivery":'));
}

async function allLinesOf(path: string): Promise<string[]> {
  return (await readFile(path, 'utf8')).trimEnd().split('\n');
}

function delivery(...entries: readonly string[]): Delivery {
  return { origin: 'log.example', first: 7, entries };
}

describe('the file sink', () => {
  it('appends one entry a line to a file that only its owner can read (C08)', async () => {
    const path = join(directory, 'audit.log');
    const sink = new FileSink(path);
    await sink.deliver(delivery('{"a":1}', '{"a":2}'));
    await sink.deliver(delivery('{"a":3}'));
    await sink.close();
    expect(await linesOf(path)).toEqual(['{"a":1}', '{"a":2}', '{"a":3}']);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('cuts off a torn last line before it continues, wherever it was torn (F24)', async () => {
    const path = join(directory, 'audit.log');
    const [one, two] = ['{"a":"one"}', '{"a":"two"}'];
    for (let torn = 0; torn < two.length; torn++) {
      await writeFile(path, `${one}\n${two.slice(0, torn)}`);
      const sink = new FileSink(path);
      await sink.deliver(delivery(two));
      await sink.close();
      expect(await linesOf(path)).toEqual([one, two]);
    }
    await writeFile(path, two.slice(0, 5));
    const sink = new FileSink(path);
    await sink.deliver(delivery(one));
    await sink.close();
    expect(await linesOf(path)).toEqual([one]);
  });

  it('loses no line when its file is moved and it gets the signal to reopen it (F27)', async () => {
    const path = join(directory, 'audit.log');
    const sink = new FileSink(path);
    const deliveries: Promise<void>[] = [];
    for (let i = 0; i < 200; i++) {
      deliveries.push(sink.deliver(delivery(`{"n":${i}}`)));
      if (i % 50 !== 49) continue;
      await deliveries[i - 25];
      await rename(path, `${path}.${i}`);
      deliveries.push(sink.reopen());
    }
    await Promise.all(deliveries);
    await sink.close();
    const files = ['audit.log.49', 'audit.log.99', 'audit.log.149', 'audit.log.199'];
    const lines: string[] = [];
    for (const file of files) lines.push(...(await linesOf(join(directory, file))));
    expect(lines).toEqual(Array.from({ length: 200 }, (_, i) => `{"n":${i}}`));
  });

  it('fails a delivery that cannot be written, and continues when it can', async () => {
    const sink = new FileSink(join(directory, 'no', 'audit.log'));
    await expect(sink.deliver(delivery('{}'))).rejects.toMatchObject({ code: 'ENOENT' });
    const { mkdir } = await import('node:fs/promises');
    await mkdir(join(directory, 'no'));
    await sink.deliver(delivery('{}'));
    await sink.close();
    expect(await linesOf(join(directory, 'no', 'audit.log'))).toEqual(['{}']);
  });
});

describe('the stream sink', () => {
  it('waits for a slow reader', async () => {
    const taken: string[] = [];
    let release: (() => void) | undefined;
    const stream = new Writable({
      highWaterMark: 8,
      decodeStrings: false,
      write(chunk: string, _encoding, done) {
        taken.push(chunk);
        release = done;
      },
    });
    const sink = new StreamSink('stdout', stream);
    const delivered = sink.deliver(delivery('{"a":"longer than the mark"}'));
    let isDone = false;
    void delivered.then(() => (isDone = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(isDone).toBe(false);
    release?.();
    await delivered;
    expect(taken.join('')).toBe(
      '{"delivery":{"firstIndex":7,"count":1}}\n{"a":"longer than the mark"}\n',
    );
    await sink.reopen();
    await sink.close();
  });

  it('fails each delivery after the reader of the pipe has closed it (F25)', async () => {
    const reader = spawn('sh', ['-c', 'exec <&-; echo closed; exec sleep 600'], { stdio: 'pipe' });
    await once(reader.stdout, 'data');
    const deliver = (): Promise<void> =>
      new StreamSink('stdout', reader.stdin).deliver(delivery('{}'));
    const failure = 'cannot write to standard output';
    await expect(deliver()).rejects.toThrow(`${failure}: EPIPE`);
    // A retry, and a sink that a reload of the configuration opens.
    await expect(deliver()).rejects.toThrow(failure);
    reader.kill();
    await once(reader, 'exit');
  });

  it('has a name of its own, as each type that the configuration can name', async () => {
    const configs: readonly SinkConfig[] = [
      { type: 'file', path: '/var/log/audit.log' },
      { type: 'stdout' },
      { type: 'http', url: 'https://siem.example/audit' },
      { type: 'syslog', host: 'siem.example', port: 6514 },
    ];
    const sinks = configs.map((config) => openSink(config, new Writable(), systemClock));
    expect(sinks.map(({ name }) => name)).toEqual([
      'file:/var/log/audit.log',
      'stdout',
      'http:https://siem.example/audit',
      'syslog:siem.example:6514',
    ]);
    await Promise.all(sinks.map((sink) => sink.close()));
  });
});

describe('the follower', () => {
  let clock: HandClock;
  let bench: LogBench;
  beforeEach(async () => {
    clock = new HandClock();
    bench = await LogBench.open(clock);
  });
  afterEach(() => bench.remove());

  /** Steps the clock until the follower has nothing left to deliver. */
  async function settle(done: () => boolean): Promise<void> {
    while (!done()) {
      clock.advance(250);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  const rows = new KeyringRowMacs(new Keyring(generateRootKey()));

  function follow(
    sink: Sink,
    more: Pick<FollowerOptions, 'fromLast'> = {},
  ): { follower: Follower; errors: unknown[] } {
    const errors: unknown[] = [];
    const follower = new Follower({
      reader: bench.reader,
      cursors: new SinkCursors(bench.store, rows),
      clock,
      sink,
      ...more,
      onError: (error) => errors.push(error),
    });
    follower.start();
    return { follower, errors };
  }

  function hasAll(follower: Follower): boolean {
    return follower.status().lag === 0;
  }

  async function entries(): Promise<string[]> {
    return (await bench.reader.entries(0, 10_000)).map(({ entry }) => entry);
  }

  it('delivers every entry in order and resumes at its cursor after a restart', async () => {
    const path = join(directory, 'audit.log');
    for (let i = 0; i < 10; i++) await bench.record(...Array.from({ length: 60 }, () => ({})));
    await bench.integrate();
    const first = follow(new FileSink(path));
    await settle(() => hasAll(first.follower));
    await first.follower.close(0);
    await bench.record({}, {});
    await bench.integrate();
    const sink = new FileSink(path);
    const second = follow(sink);
    await settle(() => hasAll(second.follower));
    await second.follower.close(0);
    expect(await linesOf(path)).toEqual(await entries());
    expect((await allLinesOf(path)).filter((line) => line.startsWith('{"delivery":'))).toEqual(
      [
        [0, 256],
        [256, 256],
        [512, 89],
        [601, 2],
      ].map(([first, count]) => `{"delivery":{"firstIndex":${first},"count":${count}}}`),
    );
  });

  it('repeats from its cursor after a crash in the middle of a write (F24)', async () => {
    const path = join(directory, 'audit.log');
    await bench.record({ requestId: 'req_1' });
    await bench.integrate();
    const sink = new FileSink(path);
    const first = follow(sink);
    await settle(() => hasAll(first.follower));
    await first.follower.close(0);
    await bench.record({ requestId: 'req_2' });
    await bench.integrate();
    const [, , third = ''] = await entries();
    await appendFile(path, third.slice(0, 40));
    const again = new FileSink(path);
    const second = follow(again);
    await settle(() => hasAll(second.follower));
    await second.follower.close(0);
    expect(await linesOf(path)).toEqual(await entries());
    await truncate(path, 0);
  });

  it('continues in a new file after a rotation', async () => {
    const path = join(directory, 'audit.log');
    await bench.integrate();
    const { follower } = follow(new FileSink(path));
    await settle(() => hasAll(follower));
    await rename(path, `${path}.1`);
    await follower.reopen();
    await bench.record({});
    await bench.integrate();
    await follower.close(0);
    const lines = [...(await linesOf(`${path}.1`)), ...(await linesOf(path))];
    expect(lines).toEqual(await entries());
  });

  it('does not block commits and reports its lag while a sink hangs (F25)', async () => {
    let release: (() => void) | undefined;
    const sink: Sink = {
      name: 'hanging',
      unconfirmed: 0,
      deliver: () => new Promise((resolve) => (release = resolve)),
      reopen: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
    await bench.integrate();
    const { follower } = follow(sink);
    await settle(() => release !== undefined);
    for (let i = 0; i < 5; i++) await bench.record({});
    await bench.integrate();
    expect(await bench.reader.size()).toBe(6);
    clock.advance(1_000);
    await settle(() => follower.status().lag === 6);
    expect(follower.status().lag).toBe(6);
    release?.();
    await settle(() => follower.status().lag !== 6);
    expect(follower.status().lag).toBe(5);
    const closed = follower.close(1000);
    clock.advance(1000);
    await closed;
    release?.();
  });

  it('retries a failing sink, and moves the cursor only after the sink accepted the entries', async () => {
    const taken: string[] = [];
    let failures = 2;
    const sink: Sink = {
      name: 'failing',
      unconfirmed: 0,
      deliver({ entries: given }) {
        if (failures-- > 0) return Promise.reject(new Error('away'));
        taken.push(...given);
        return Promise.resolve();
      },
      reopen: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
    await bench.record({});
    await bench.integrate();
    const { follower, errors } = follow(sink);
    await settle(() => hasAll(follower));
    await follower.close(0);
    expect(errors).toHaveLength(2);
    expect(taken).toEqual(await entries());
    expect(await bench.store.get('sink_cursors', { sink: 'failing' })).toMatchObject({
      next_index: 2,
    });
  });

  it('loses no entry of a sink that begins near the end and fails until a restart (NT01)', async () => {
    const taken: string[] = [];
    let isAway = true;
    const sink: Sink = {
      name: 'new',
      unconfirmed: 0,
      deliver({ entries: given }) {
        if (isAway) return Promise.reject(new Error('away'));
        taken.push(...given);
        return Promise.resolve();
      },
      reopen: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
    await bench.record({}, {}, {});
    await bench.integrate();
    const first = follow(sink, { fromLast: 2 });
    await settle(() => first.errors.length > 0);
    await first.follower.close(0);
    await bench.record({}, {}, {}, {});
    await bench.integrate();
    isAway = false;
    const second = follow(sink, { fromLast: 2 });
    await settle(() => hasAll(second.follower));
    await second.follower.close(0);
    expect(taken).toEqual((await entries()).slice(-6));
  });

  describe('when an attacker writes to the database', () => {
    async function deliverAll(path: string): Promise<Follower> {
      const { follower } = follow(new FileSink(path));
      await settle(() => hasAll(follower));
      await follower.close(0);
      return follower;
    }

    async function setCursor(path: string, change: object): Promise<void> {
      const row = await bench.store.get('sink_cursors', { sink: `file:${path}` });
      if (row === undefined) throw new Error('no cursor');
      await bench.store.commit({ writes: [{ table: 'sink_cursors', put: { ...row, ...change } }] });
    }

    it.each([
      ['moved forward', { next_index: 4 }],
      ['moved forward, without its MAC', { next_index: 4, mac: null }],
    ])('delivers all again when its cursor was %s, and logs it (AL02)', async (_, change) => {
      const path = join(directory, 'audit.log');
      await bench.record({});
      await bench.integrate();
      await deliverAll(path);
      await bench.record({}, {}, {});
      await bench.integrate();
      await setCursor(path, change);
      await truncate(path, 0);
      const follower = await deliverAll(path);
      expect(await linesOf(path)).toEqual(await entries());
      expect(follower.status().cursorForged).toBe(true);
    });

    it('delivers all again when its cursor belongs to another, longer log', async () => {
      const path = join(directory, 'audit.log');
      await bench.record({});
      await bench.integrate();
      await new SinkCursors(bench.store, rows).move(`file:${path}`, 900);
      await deliverAll(path);
      expect(await linesOf(path)).toEqual(await entries());
    });

    it('delivers nothing from the first forged entry on, and continues when it is repaired (AL02)', async () => {
      const path = join(directory, 'audit.log');
      await bench.record({ requestId: 'req_1' });
      await bench.record({ requestId: 'req_2' });
      await bench.record({ requestId: 'req_3' });
      await bench.integrate();
      const all = await entries();
      const { writer } = bench.boot;
      const row = await bench.store.get('audit_batches', { writer, first_seq: 3 });
      if (row === undefined) throw new Error('no batch');
      const forged = Buffer.from(Buffer.from(row.entries).toString().replace('req_2', 'req_9'));
      await bench.store.commit({
        writes: [{ table: 'audit_batches', put: { ...row, entries: forged } }],
      });
      const { follower, errors } = follow(new FileSink(path));
      await settle(() => follower.status().isStopped);
      expect(await linesOf(path)).toEqual(all.slice(0, 2));
      expect(errors).toContainEqual(
        expect.objectContaining({
          code: 'ERR_CIPHERTEXT_INVALID',
          message: 'the audit log is damaged: entry 2 is not what was recorded',
        }),
      );
      await bench.store.commit({ writes: [{ table: 'audit_batches', put: row }] });
      await settle(() => hasAll(follower));
      await follower.close(0);
      expect(follower.status().isStopped).toBe(false);
      expect(await linesOf(path)).toEqual(all);
    });
  });

  describe('its status', () => {
    const MINUTE = 60_000;

    it('says since when a sink is behind, also while another broker delivers to it', async () => {
      const cursors = new SinkCursors(bench.store, rows);
      const read = (lag?: number): ReturnType<typeof readSinkStatus> =>
        bench.reader.size().then((size) => {
          const status = { lag, isStopped: false, isFailing: lag !== undefined };
          const follower = {
            name: 'http:https://siem.example',
            status: () => ({ ...status, cursorForged: false }),
          };
          return readSinkStatus(follower, { size, live: 0, cursors, store: bench.store });
        });
      await bench.integrate();
      await cursors.move('http:https://siem.example', await bench.reader.size());
      expect(await read()).toMatchObject({ lag: 0, behindSince: undefined });
      clock.advance(2 * MINUTE);
      await bench.record({}, {});
      await bench.integrate();
      const since = clock.now();
      clock.advance(3 * MINUTE);
      await bench.record({});
      await bench.integrate();
      const behind = (await bench.reader.size()) - 1;
      expect(await read()).toMatchObject({ lag: 3, isFailing: false });
      const { behindSince = 0 } = await read();
      expect([behindSince > since - MINUTE, behindSince <= since]).toEqual([true, true]);
      expect(await read(3)).toEqual({ ...(await read()), isFailing: true });
      await cursors.move('http:https://siem.example', behind);
      const last = await read();
      expect(last.lag).toBe(1);
      expect(last.behindSince).toBeGreaterThan(since + MINUTE);
    });

    it('counts no archived entries: a sink does not get them', async () => {
      const cursors = new SinkCursors(bench.store, rows);
      await bench.record({}, {}, {});
      await bench.integrate();
      const size = await bench.reader.size();
      const status = { lag: undefined, isStopped: false, isFailing: false, cursorForged: false };
      const follower = { name: 'stdout', status: () => status };
      const by = { size, cursors, store: bench.store };
      expect((await readSinkStatus(follower, { ...by, live: 0 })).lag).toBe(size);
      expect((await readSinkStatus(follower, { ...by, live: size - 1 })).lag).toBe(1);
    });
  });
});
