import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/process/clock.ts';
import { openSqliteStore } from '../../../src/store/sqlite/open-sqlite-store.ts';
import { LEFT_OUT } from '../../kit/backends/left-out.ts';
import { FakeAuditChain } from '../../kit/fakes/fake-audit-chain.ts';
import { storedIds, storedNames } from '../../kit/log/stored-entries.ts';
import { WriterChild } from '../../kit/store/store-writer.ts';

const canTrace = spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0;
const itIfTraced = canTrace ? it : it.skip;
const suffix = canTrace ? '' : ` (${LEFT_OUT}strace does not work here)`;

/** The lines of a trace with each call whole, at its end. strace prints a call in two parts if another thread makes one meanwhile. */
function wholeCalls(trace: string): readonly string[] {
  const begun = new Map<string, string>();
  return trace.split('\n').flatMap((line) => {
    const thread = line.split(' ', 1)[0] ?? '';
    if (line.endsWith(' <unfinished ...>')) {
      begun.set(thread, line.replace(' <unfinished ...>', ''));
      return [];
    }
    const end = /<\.\.\. \w+ resumed>(.*)$/.exec(line)?.[1];
    return [end === undefined ? line : `${begun.get(thread)}${end}`];
  });
}

describe(`a store whose system calls are traced${suffix}`, () => {
  let directory: string;
  let path: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'quaymaster-traced-'));
    path = join(directory, 'store.db');
  });

  afterEach(() => rmSync(directory, { recursive: true }));

  itIfTraced.each(['loop', 'pool'] as const)(
    'syncs its log between a commit and its acknowledgement, once for a whole round, in the %s (F30)',
    async (syncs) => {
      const log = join(directory, 'trace');
      const before = [
        'strace',
        '-f',
        '-y',
        '-e',
        'trace=fsync,fdatasync,write,pwrite64',
        '-o',
        log,
      ];
      const child = new WriterChild(path, { width: 8, rounds: 6, syncs, before });
      await child.ended();
      expect(child.said('ack')).toHaveLength(48);

      const events = wholeCalls(readFileSync(log, 'utf8')).flatMap((line) => {
        if (/ f(data)?sync\(\d+<[^>]*store\.db-wal>\)\s+= 0/.test(line)) return ['sync'];
        if (/ pwrite64\(\d+<[^>]*store\.db-wal>/.test(line)) return ['log'];
        const said = / write\(1<[^>]*>, "(open|ack|no|closed)/.exec(line);
        return said === null ? [] : [said[1]];
      });
      const rounds = events.slice(events.indexOf('open') + 1, events.lastIndexOf('ack') + 1);
      const runs = rounds.filter((event, index) => event !== rounds[index - 1]);
      expect(runs).toEqual(Array.from({ length: 6 }, () => ['log', 'sync', 'ack']).flat());
    },
  );

  const failing = (when: string, error: string): WriterChild => {
    const inject = `inject=fsync:error=${error}:when=${when}`;
    const before = ['strace', '-f', '-e', 'trace=fsync', '-e', inject, '-o', '/dev/null'];
    return new WriterChild(path, { width: 4, rounds: 12, before });
  };
  const contents = async (): Promise<{ recorded: string[]; written: string[] }> => {
    const store = await openSqliteStore(
      { path, ballastBytes: 0 },
      { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' },
    );
    const found = { recorded: await storedIds(store), written: await storedNames(store) };
    await store.close();
    return found;
  };

  itIfTraced('refuses to open, with a code, when its file cannot be synced', async () => {
    const child = failing('4', 'EIO');
    await child.ended();
    expect(child.lines).toEqual([]);
    expect(child.errors).toContain("code: 'ERR_STORE_UNAVAILABLE'");
    expect(await contents()).toEqual({ recorded: [], written: [] });
  });

  itIfTraced.each([
    ['8', 'EIO'],
    ['9', 'ENOSPC'],
    ['12', 'EDQUOT'],
  ])(
    'does not acknowledge the commit whose sync fails (number %s, %s), and continues (F23)',
    async (when, error) => {
      const child = failing(when, error);
      await child.ended();
      expect(child.lines.at(-1)).toBe('closed');
      const unknown = child.said('no');
      expect(unknown).toHaveLength(4);
      expect(child.lines.filter((line) => line.startsWith('no '))).toEqual(
        unknown.map((id) => `no ${id} ERR_OUTCOME_UNKNOWN`),
      );
      expect(child.said('ack')).toHaveLength(44);
      const { recorded, written } = await contents();
      expect(new Set(written)).toEqual(new Set(recorded));
      expect(child.said('ack').filter((id) => !recorded.includes(id))).toEqual([]);
    },
  );

  itIfTraced(
    'acknowledges no commit whose sync in the pool fails, and continues (F23)',
    async () => {
      const inject = 'inject=fdatasync:error=EIO:when=3';
      const trace = ['strace', '-f', '-e', 'trace=fdatasync', '-e', inject, '-o', '/dev/null'];
      const how = { width: 4, rounds: 12, lanes: 3, syncs: 'pool' } as const;
      const child = new WriterChild(path, { ...how, before: trace });
      await child.ended();
      expect(child.lines.at(-1)).toBe('closed');
      const unknown = child.said('no');
      expect(unknown.length).toBeGreaterThan(0);
      expect(child.lines.filter((line) => line.startsWith('no '))).toEqual(
        unknown.map((id) => `no ${id} ERR_OUTCOME_UNKNOWN`),
      );
      expect(child.said('ack').length + unknown.length).toBe(144);
      const { recorded, written } = await contents();
      expect(new Set(written)).toEqual(new Set(recorded));
      expect(child.said('ack').filter((id) => !recorded.includes(id))).toEqual([]);
    },
  );

  itIfTraced('acknowledges nothing after the disk stops syncing', async () => {
    const child = failing('10+', 'EIO');
    await child.ended();
    const firstNo = child.lines.findIndex((line) => line.startsWith('no '));
    expect(child.lines[firstNo]).toMatch(/ ERR_OUTCOME_UNKNOWN$/);
    expect(child.lines.slice(firstNo).filter((line) => line.startsWith('ack '))).toEqual([]);
    const { recorded } = await contents();
    const refused = child.lines.filter((line) => line.endsWith(' ERR_AUDIT_UNAVAILABLE'));
    expect(refused.filter((line) => recorded.includes(line.split(' ')[1]!))).toEqual([]);
    expect(child.said('ack').filter((id) => !recorded.includes(id))).toEqual([]);
  });
});
