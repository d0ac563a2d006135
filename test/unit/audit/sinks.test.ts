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
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { Follower } from '../../../src/audit/follower.ts';
import type { Sink } from '../../../src/audit/sink.ts';
import { FileSink } from '../../../src/audit/sinks/file.ts';
import { openSink } from '../../../src/audit/sinks/open-sink.ts';
import { StreamSink } from '../../../src/audit/sinks/stdout.ts';
import { HandClock } from '../../support/hand-clock.ts';
import { LogBench } from './log-bench.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sink-'));
});
afterEach(() => rm(directory, { recursive: true }));

async function linesOf(path: string): Promise<string[]> {
  return (await readFile(path, 'utf8')).trimEnd().split('\n');
}

describe('the file sink', () => {
  it('appends one entry a line to a file that only its owner can read', async () => {
    const path = join(directory, 'audit.log');
    const sink = new FileSink(path);
    await sink.deliver(['{"a":1}', '{"a":2}']);
    await sink.deliver(['{"a":3}']);
    await sink.close();
    expect(await linesOf(path)).toEqual(['{"a":1}', '{"a":2}', '{"a":3}']);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('cuts a torn last line off before it goes on, wherever it was torn (F24)', async () => {
    const path = join(directory, 'audit.log');
    const [one, two] = ['{"a":"one"}', '{"a":"two"}'];
    for (let torn = 0; torn < two.length; torn++) {
      await writeFile(path, `${one}\n${two.slice(0, torn)}`);
      const sink = new FileSink(path);
      await sink.deliver([two]);
      await sink.close();
      expect(await linesOf(path)).toEqual([one, two]);
    }
    await writeFile(path, two.slice(0, 5));
    const sink = new FileSink(path);
    await sink.deliver([one]);
    await sink.close();
    expect(await linesOf(path)).toEqual([one]);
  });

  it('loses no line when its file is moved away and it is told to reopen (F27)', async () => {
    const path = join(directory, 'audit.log');
    const sink = new FileSink(path);
    const deliveries: Promise<void>[] = [];
    for (let i = 0; i < 200; i++) {
      deliveries.push(sink.deliver([`{"n":${i}}`]));
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

  it('fails a delivery that cannot be written, and goes on when it can', async () => {
    const sink = new FileSink(join(directory, 'no', 'audit.log'));
    await expect(sink.deliver(['{}'])).rejects.toMatchObject({ code: 'ENOENT' });
    const { mkdir } = await import('node:fs/promises');
    await mkdir(join(directory, 'no'));
    await sink.deliver(['{}']);
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
    const delivered = sink.deliver(['{"a":"longer than the mark"}']);
    let isDone = false;
    void delivered.then(() => (isDone = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(isDone).toBe(false);
    release?.();
    await delivered;
    expect(taken.join('')).toBe('{"a":"longer than the mark"}\n');
    await sink.reopen();
    await sink.close();
  });

  it('is one of the two that the configuration can name', async () => {
    const stdout = new Writable();
    const path = join(directory, 'audit.log');
    const file = openSink({ type: 'file', path }, stdout);
    expect([file.name, openSink({ type: 'stdout' }, stdout).name]).toEqual([
      `file:${path}`,
      'stdout',
    ]);
    await file.close();
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

  /** Steps the clock until the follower has come to rest with nothing to deliver. */
  async function settle(done: () => boolean): Promise<void> {
    while (!done()) {
      clock.advance(250);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  function follow(sink: Sink): { follower: Follower; lags: number[]; errors: unknown[] } {
    const [lags, errors]: [number[], unknown[]] = [[], []];
    const follower = new Follower({
      store: bench.store,
      reader: bench.reader,
      clock,
      sink,
      onLag: (entries) => lags.push(entries),
      onError: (error) => errors.push(error),
    });
    follower.start();
    return { follower, lags, errors };
  }

  async function entries(): Promise<string[]> {
    return (await bench.reader.entries(0, 10_000)).map(({ entry }) => entry);
  }

  it('delivers every entry in order and goes on where it was after a restart', async () => {
    const path = join(directory, 'audit.log');
    for (let i = 0; i < 10; i++) await bench.record(...Array.from({ length: 60 }, () => ({})));
    await bench.integrate();
    const first = follow(new FileSink(path));
    await settle(() => first.lags.at(-1) === 0);
    await first.follower.close(0);
    await bench.record({}, {});
    await bench.integrate();
    const sink = new FileSink(path);
    const second = follow(sink);
    await settle(() => second.lags.at(-1) === 0);
    await second.follower.close(0);
    expect(await linesOf(path)).toEqual(await entries());
    expect(second.lags[0]).toBe(2);
  });

  it('repeats from its cursor after a crash in the middle of a write (F24)', async () => {
    const path = join(directory, 'audit.log');
    await bench.record({ requestId: 'req_1' });
    await bench.integrate();
    const sink = new FileSink(path);
    const first = follow(sink);
    await settle(() => first.lags.at(-1) === 0);
    await first.follower.close(0);
    await bench.record({ requestId: 'req_2' });
    await bench.integrate();
    const [, , third = ''] = await entries();
    await appendFile(path, third.slice(0, 40));
    const again = new FileSink(path);
    const second = follow(again);
    await settle(() => second.lags.at(-1) === 0);
    await second.follower.close(0);
    expect(await linesOf(path)).toEqual(await entries());
    await truncate(path, 0);
  });

  it('goes on in a new file after a rotation', async () => {
    const path = join(directory, 'audit.log');
    await bench.integrate();
    const { follower, lags } = follow(new FileSink(path));
    await settle(() => lags.at(-1) === 0);
    await rename(path, `${path}.1`);
    await follower.reopen();
    await bench.record({});
    await bench.integrate();
    await settle(() => lags.includes(1) && lags.at(-1) === 0 && lags.length > 2);
    await follower.close(0);
    const lines = [...(await linesOf(`${path}.1`)), ...(await linesOf(path))];
    expect(lines).toEqual(await entries());
  });

  it('keeps commits going and reports its lag while a sink hangs (F25)', async () => {
    let release: (() => void) | undefined;
    const sink: Sink = {
      name: 'hanging',
      deliver: () => new Promise((resolve) => (release = resolve)),
      reopen: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
    await bench.integrate();
    const { follower, lags } = follow(sink);
    await settle(() => release !== undefined);
    for (let i = 0; i < 5; i++) await bench.record({});
    await bench.integrate();
    expect(await bench.reader.size()).toBe(6);
    expect(lags).toEqual([1]);
    release?.();
    await settle(() => lags.length > 1);
    expect(lags.at(-1)).toBe(5);
    const closed = follower.close(1000);
    clock.advance(1000);
    await closed;
    release?.();
  });

  it('tries a failing sink again, and moves the cursor only when it took the entries', async () => {
    const taken: string[] = [];
    let failures = 2;
    const sink: Sink = {
      name: 'failing',
      deliver(given) {
        if (failures-- > 0) return Promise.reject(new Error('away'));
        taken.push(...given);
        return Promise.resolve();
      },
      reopen: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
    await bench.record({});
    await bench.integrate();
    const { follower, lags, errors } = follow(sink);
    await settle(() => lags.at(-1) === 0);
    await follower.close(0);
    expect(errors).toHaveLength(2);
    expect(taken).toEqual(await entries());
    expect(await bench.store.get('sink_cursors', { sink: 'failing' })).toMatchObject({
      next_index: 2,
    });
  });
});
