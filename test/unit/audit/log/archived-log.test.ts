import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as loopTurn } from 'node:timers/promises';
import { archiveDirectory } from '../../../../src/audit/records/archive-directory.ts';
import { Archiver, type ArchiveOrder } from '../../../../src/audit/upkeep/archiver.ts';
import { manifestDigest, type Manifest } from '../../../../src/audit/records/export-format.ts';
import { exportLog } from '../../../../src/audit/proof/export.ts';
import { storeSource } from '../../../../src/audit/proof/export-source.ts';
import { Integrator, type IntegratorOptions } from '../../../../src/audit/log/integrator.ts';
import { COVERAGE_KEY } from '../../../../src/audit/log/read-index.ts';
import { loggedReads } from '../../../../src/audit/log/logged-reads.ts';
import { LogReader } from '../../../../src/audit/log/log-reader.ts';
import { Scrubber } from '../../../../src/audit/upkeep/scrubber.ts';
import { verifyExport, type VerifyOptions } from '../../../../src/audit/proof/verify.ts';
import { sha256Hex } from '../../../../src/crypto/hashes/digest.ts';
import { systemClock } from '../../../../src/process/clock.ts';
import type { ArchiveReference } from '../../../../src/domain/audit/audit-actions.ts';
import type { ArchiveStorage } from '../../../../src/ports/archive-storage.ts';
import type { LogCheckpoint, LoggedReads } from '../../../../src/ports/audit-log.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { body, LogBench, workloadActor, type EventFields } from '../../../kit/log/log-bench.ts';
import { listRows } from '../../../kit/store/table-rows.ts';

const MINUTE = 60_000;

let clock: HandClock;
let bench: LogBench;
let place: ArchiveStorage;

beforeEach(async () => {
  clock = new HandClock();
  bench = await LogBench.open(clock);
  place = archiveDirectory(directory());
});
afterEach(() => bench.remove());

/** Commits of different sizes, and a checkpoint of a minute of its own. */
async function record(count: number, path = 'payments/db'): Promise<void> {
  for (let i = 0, size = 1; i < count; i += size, size = (size % 40) + 1) {
    const events = Array.from({ length: Math.min(size, count - i) }, (_, k): EventFields => ({
      requestId: `req_${i + k}`,
      path: `${path}/${(i + k) % 7}`,
    }));
    await bench.record(...events);
  }
  await bench.integrate();
  clock.advance(2 * MINUTE);
}

interface Given {
  readonly at?: ArchiveStorage;
  /** True if its searches wait for the integration. */
  readonly isIntegrating?: boolean;
  readonly delivered?: number;
}

function archiver({
  at = place,
  delivered = Number.MAX_SAFE_INTEGER,
  isIntegrating = true,
}: Given = {}): Archiver {
  const integrating = isIntegrating ? { catchUp: () => bench.integrate() } : {};
  return new Archiver({
    store: bench.store,
    reader: new LogReader(bench.store, bench.log, integrating),
    origin: bench.log.origin,
    logKey: bench.log.verifier.key,
    clock: { ...systemClock, sleep: () => loopTurn() },
    claims: bench.claims(),
    place: at,
    delivered: () => Promise.resolve(delivered),
  });
}

const order = (more: Partial<ArchiveOrder> = {}): ArchiveOrder => ({
  before: clock.now() - MINUTE,
  entry: (archive: ArchiveReference) =>
    body({
      action: 'audit.truncate',
      path: undefined,
      archive,
      count: archive.objects.length,
      comment: 'retention',
    }),
  progress: () => undefined,
  ...more,
});

const directory = (): string => join(bench.directory, 'archive');

async function onlyObject(): Promise<string> {
  const [name = '', ...more] = await readdir(directory());
  expect(more).toEqual([]);
  return join(directory(), name);
}

/** A digest of the rows that a truncation removes. */
async function liveRows(): Promise<string> {
  const tables = ['audit_segments', 'audit_batches', 'log_segments', 'log_tiles'] as const;
  const rows = await Promise.all(
    tables.map((table) => listRows(bench.store, table, { limit: 10_000 })),
  );
  return sha256Hex(JSON.stringify(rows));
}

async function truncations(): Promise<number> {
  await bench.integrate();
  const { items } = await bench.reader.search({ action: 'audit.truncate' }, { limit: 10 });
  return items.length;
}

/** Records 2,000 entries in segments, which are old, and 1,000 more. */
async function oldLog(): Promise<void> {
  await record(2_000);
  await record(10);
  await record(1_000, 'orders/db');
  await bench.compact();
}

/** The reads of a pod by the index, after as many rounds of the integrator as it may need. */
async function readsOf(options: Partial<IntegratorOptions> = {}): Promise<LoggedReads> {
  const integrator = new Integrator({ ...bench.integratorOptions(), ...options });
  await integrator.start();
  for (let round = 0; round < 40; round += 1) await integrator.integrate();
  await integrator.close();
  return loggedReads(bench.store, bench.reader, { kind: 'pod', subject: 'c1/uid-web-pod' });
}

/** Another boot, as after a crash. */
async function restart(): Promise<void> {
  await bench.stop();
  await bench.restart();
}

let exports = 0;

async function exported(): Promise<string> {
  const target = join(bench.directory, `export-${(exports += 1)}`);
  await bench.integrate();
  await exportLog(storeSource(bench.store, bench.log), target);
  return target;
}

const verified = async (options: VerifyOptions = {}) => verifyExport(await exported(), options);

async function scrub(): Promise<readonly string[]> {
  const found: string[] = [];
  const scrubber = new Scrubber({
    store: bench.store,
    reader: bench.reader,
    logKey: bench.log.verifier.key,
    clock: { ...systemClock, sleep: () => Promise.resolve() },
    claims: bench.claims(),
    intervalMs: 1,
    onDamage: ({ first, end, why }) => found.push(`${first}-${end} ${why}`),
    onAlteredTiles: () => found.push('tiles'),
    onAlteredBatch: ({ what, index }) => found.push(`${what} ${index}`),
    onReadsDiffer: () => found.push('reads'),
    onError: (error) => {
      throw error as Error;
    },
  });
  await scrubber.walk();
  return found;
}

describe('an archived log', () => {
  it('moves old entries to objects, and removes their segments', async () => {
    await oldLog();
    const plan = await archiver().run(order());
    expect(plan).toEqual({ first: 0, end: 1_792, limitedBy: undefined });
    const segments = await listRows(bench.store, 'audit_segments', { limit: 1_000 });
    expect(segments[0]?.first_index).toBeLessThanOrEqual(1_792);
    expect((segments[0]?.first_index ?? 0) + (segments[0]?.count ?? 0)).toBeGreaterThan(1_792);
    const files = await readdir(directory());
    expect(files).toEqual([expect.stringMatching(/^0{16}-0{12}1792-[0-9a-f]{32}\.qmarchive$/)]);
  });

  it('keeps the first and the last batch of each boot', async () => {
    await oldLog();
    const { writer } = bench.boot;
    await restart();
    await record(1_500);
    await record(10);
    await record(10);
    await archiver().run(order());
    const batches = await listRows(bench.store, 'audit_batches', { limit: 1_000 });
    const own = batches.filter((batch) => batch.writer === writer);
    expect(own).toHaveLength(2);
    expect(own[0]?.first_seq).toBe(1);
  });
});

describe('the read index of an archived log', () => {
  beforeEach(async () => {
    await bench.record({ actor: workloadActor('web'), path: 'own/crown', version: '1' });
    await oldLog();
    await archiver().run(order());
  });

  async function losesIndex(): Promise<void> {
    const reader = 'pod:c1/uid-web-pod';
    await bench.store.commit({
      writes: [
        { table: 'meta', remove: { key: COVERAGE_KEY } },
        { table: 'log_reads', remove: { reader } },
      ],
    });
    await restart();
  }

  it('still has the reads of archived entries', async () => {
    expect(await readsOf()).toMatchObject({
      reads: [{ path: 'own/crown', firstIndex: 1 }],
      unread: [],
    });
  });

  it('is built from the objects of the archive after it was removed', async () => {
    await losesIndex();
    const found = await readsOf({ archive: place });
    expect(found).toMatchObject({ reads: [{ path: 'own/crown', firstIndex: 1 }], unread: [] });
  });

  it('names the archived part and its objects while the archive cannot be read', async () => {
    await losesIndex();
    const { reads, unread } = await readsOf();
    expect(reads).toEqual([]);
    expect(unread).toMatchObject([{ first: 0, end: 1_792, isArchived: true }]);
    expect(unread[0]?.objects).toEqual([expect.stringContaining('.qmarchive')]);
    expect(bench.errors).toMatchObject([{ code: 'ERR_NOT_FOUND' }]);
  });
});

describe('verification of an archived log', () => {
  it('says which range it did not read, and who signed the truncation', async () => {
    await oldLog();
    await archiver().run(order());
    const report = await verified();
    expect(report.findings).toEqual([]);
    expect(report.archived).toMatchObject({
      end: 1_792,
      objects: 1,
      wasRead: false,
      actor: 'broker',
    });
  });

  it('spans the archive and the live log', async () => {
    await oldLog();
    const before = await verified();
    await archiver().run(order());
    const report = await verified({ archive: place });
    expect(report.findings).toEqual([]);
    expect(report.archived).toMatchObject({ end: 1_792, wasRead: true });
    expect(report.size).toBe(before.size + 1);
    expect(report.batches).toBe(before.batches + 1);
    expect(await scrub()).toEqual([]);
  });

  it('spans several truncations and boots', async () => {
    await oldLog();
    await archiver().run(order());
    await restart();
    await record(3_000);
    await bench.compact();
    await record(10);
    await archiver().run(order());
    const report = await verified({ archive: place });
    expect(report.findings).toEqual([]);
    expect(report.writers).toHaveLength(2);
    const unread = await verified();
    expect(unread.findings).toEqual([]);
    expect(unread.archived?.objects).toBe(2);
    expect(await scrub()).toEqual([]);
  });
});

describe('reading an archived log', () => {
  it('names the object of a range that a search does not read', async () => {
    await oldLog();
    const query = { pathPrefix: 'payments' };
    const before = await bench.reader.search(query, { limit: 1_000 });
    expect(before.archived).toBeUndefined();
    await archiver().run(order());
    const { items, next, archived } = await bench.reader.search(query, { limit: 1_000 });
    expect(items.length).toBeLessThan(300);
    expect(next).toBeUndefined();
    const objects = [await onlyObject()];
    expect(archived).toEqual({ first: 0, end: 1_792, objects, hasMore: false });
  });

  it('does not name it for a search whose entries are all live', async () => {
    await oldLog();
    await archiver().run(order());
    const from = clock.now();
    await record(10);
    await record(10);
    const query = { from: from + 12 * MINUTE, path: 'nowhere' };
    expect(await bench.reader.search(query, { limit: 10 })).toEqual({ items: [] });
  });

  it('proves an archived entry with its object', async () => {
    await oldLog();
    const before = await bench.reader.proveEntry(700);
    await archiver().run(order());
    const reader = new LogReader(bench.store, bench.log, { archive: place });
    const { entry, leaf } = await reader.proveEntry(700);
    expect({ entry, leaf }).toEqual({ entry: before.entry, leaf: before.leaf });
    const checkpoint = await reader.checkpoint();
    await expect(reader.proveGrowth(700, checkpoint as LogCheckpoint)).resolves.toBeDefined();
  });

  it('says where an archived entry is if it cannot read the archive', async () => {
    await oldLog();
    await archiver().run(order());
    const file = await onlyObject();
    await expect(bench.reader.proveEntry(700)).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
      message: `entry 700 is archived in ${file}; the configuration of the broker has no audit.archive to read it from`,
    });
    const reader = new LogReader(bench.store, bench.log, { archive: place });
    const bytes = await readFile(file);
    bytes[bytes.length - 100] = (bytes[bytes.length - 100] ?? 0) ^ 1;
    await writeFile(file, bytes);
    await expect(reader.proveEntry(700)).rejects.toMatchObject({ reason: 'archive_altered' });
    await rm(file);
    await expect(reader.proveEntry(700)).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
      reason: 'archived',
    });
    await expect(bench.reader.file('tile/entries/002')).rejects.toMatchObject({
      message: `entries 512 to 767 are archived in ${file}`,
    });
  });
});

describe('a run that cannot finish', () => {
  it('keeps entries that a sink does not have', async () => {
    await oldLog();
    const plan = await archiver({ delivered: 1_000 }).run(order());
    expect(plan).toEqual({ first: 0, end: 768, limitedBy: 'sink' });
    expect(await archiver({ delivered: 0 }).plan(clock.now())).toEqual({
      first: 768,
      end: 768,
      limitedBy: 'sink',
    });
  });

  it('removes nothing if the place refuses an object', async () => {
    await oldLog();
    const before = await liveRows();
    const full = { ...place, put: () => Promise.reject(new Error('no space left')) };
    await expect(archiver({ at: full }).run(order())).rejects.toThrow('no space left');
    expect(await liveRows()).toEqual(before);
    expect(await truncations()).toBe(0);
  });

  it('removes nothing if the object is not what was written', async () => {
    await oldLog();
    const before = await liveRows();
    const half = {
      ...place,
      put: (name: string, bytes: Uint8Array) => place.put(name, bytes.subarray(0, 1_000)),
    };
    await expect(archiver({ at: half }).run(order())).rejects.toThrow('is not what was written');
    expect(await liveRows()).toEqual(before);
    expect(await truncations()).toBe(0);
    await archiver().run(order());
    expect((await verified({ archive: place })).findings).toEqual([]);
  });

  it('removes nothing if a segment is damaged, and names the segment', async () => {
    await oldLog();
    const [, segment] = await listRows(bench.store, 'audit_segments', { limit: 2 });
    const { first_index = 0, count = 0, body: old = Buffer.alloc(0) } = segment ?? {};
    const altered = Buffer.from(old);
    altered[100] = (altered[100] ?? 0) ^ 1;
    const put = { first_index, count, body: altered };
    await bench.store.commit({ writes: [{ table: 'audit_segments', put }] });
    const before = await liveRows();
    await expect(archiver().run(order())).rejects.toThrow(
      `the audit log is damaged: the segment of entries ${first_index} to ${first_index + count - 1} does not verify`,
    );
    expect(await liveRows()).toEqual(before);
    expect(await truncations()).toBe(0);
  });

  it.each(['write', 'sign', 'remove'] as const)(
    'continues after it was interrupted at the step %s',
    async (at) => {
      await oldLog();
      const before = await liveRows();
      const progress: ArchiveOrder['progress'] = ({ step }) => {
        if (step === at) throw new Error('killed');
      };
      await expect(archiver().run(order({ progress }))).rejects.toThrow('killed');
      if (at !== 'remove') expect(await liveRows()).toEqual(before);
      await archiver().run(order());
      expect(await truncations()).toBe(1);
      const [segment] = await listRows(bench.store, 'audit_segments', { limit: 1 });
      expect((segment?.first_index ?? 0) + (segment?.count ?? 0)).toBeGreaterThan(1_792);
      expect((await verified({ archive: place })).findings).toEqual([]);
      expect(await scrub()).toEqual([]);
    },
  );

  it('continues with the signed entry if it was interrupted before the removal was recorded', async () => {
    await oldLog();
    const stop = new AbortController();
    const interrupted = archiver({ isIntegrating: false }).run(
      order({
        signal: stop.signal,
        entry: (archive) => {
          setImmediate(() => stop.abort(new Error('killed')));
          return order().entry(archive);
        },
      }),
    );
    await expect(interrupted).rejects.toThrow('killed');
    expect(await truncations()).toBe(1);
    expect(await bench.reader.truncation()).toBeUndefined();
    await archiver().run(order());
    expect(await truncations()).toBe(1);
    expect(await bench.reader.truncation()).toMatchObject({ end: 1_792 });
    expect((await verified({ archive: place })).findings).toEqual([]);
  });

  it('archives again if the objects of an interrupted run are gone', async () => {
    await oldLog();
    const stop = new AbortController();
    const entry: ArchiveOrder['entry'] = (archive) => {
      setImmediate(() => stop.abort(new Error('killed')));
      return order().entry(archive);
    };
    const run = archiver({ isIntegrating: false }).run(order({ signal: stop.signal, entry }));
    await expect(run).rejects.toThrow('killed');
    await rm(directory(), { recursive: true });
    await bench.integrate();
    await archiver().run(order());
    expect((await verified({ archive: place })).findings).toEqual([]);
  });
});

describe('verification of a manipulated archive (AL06)', () => {
  let firstRow: string | undefined;

  beforeEach(async () => {
    await oldLog();
    await archiver().run(order());
    firstRow = (await bench.store.get('meta', { key: 'audit-archive' }))?.value;
    await record(1_500, 'orders/db');
    await record(10);
    await record(10);
    await bench.compact();
    await archiver().run(order());
  });

  const found = async (options: VerifyOptions = { archive: place }): Promise<readonly string[]> =>
    (await verified(options)).findings.map(({ what, index }) => `${what} ${index}`);

  it('finds a missing object', async () => {
    const [first = ''] = await readdir(directory());
    await rm(join(directory(), first));
    expect(await found()).toContain('archive_missing 0');
  });

  it('finds a flipped byte', async () => {
    const [, second = ''] = await readdir(directory());
    const path = join(directory(), second);
    const bytes = await readFile(path);
    bytes[bytes.length - 200] = (bytes[bytes.length - 200] ?? 0) ^ 1;
    await writeFile(path, bytes);
    expect(await found()).toContain('archive_altered 1792');
  });

  it('finds exchanged objects', async () => {
    const [first = '', second = ''] = await readdir(directory());
    await rename(join(directory(), first), join(directory(), 'other'));
    await rename(join(directory(), second), join(directory(), first));
    await rename(join(directory(), 'other'), join(directory(), second));
    const findings = await found();
    expect(findings).toContain('archive_altered 0');
    expect(findings).toContain('archive_altered 1792');
  });

  it('finds an object of another log in the list', async () => {
    const other = await LogBench.open(clock);
    const [mine, its] = [bench, other];
    bench = its;
    await oldLog();
    await archiver().run(order());
    bench = mine;
    const report = await verifyExport(await exported(), {
      archive: archiveDirectory(join(its.directory, 'archive')),
    });
    expect(report.findings.map(({ what }) => what)).toContain('archive_missing');
    await other.remove();
  });

  it.each([
    ['a longer part than the signed one', 256, 0],
    ['an entry that signs nothing', 0, 1],
  ])('does not take missing entries for archived ones: %s', async (_, end, entry) => {
    const target = await exported();
    const path = join(target, 'manifest.json');
    const manifest = JSON.parse(await readFile(path, 'utf8')) as Manifest;
    const signed = manifest.archived ?? { end: 0, entry: 0 };
    const altered = {
      ...manifest,
      archived: { end: signed.end + end, entry: signed.entry + entry },
    };
    await writeFile(path, JSON.stringify({ ...altered, digest: manifestDigest(altered) }));
    const { holds, findings } = await verifyExport(target, {});
    expect(holds).toBe(false);
    expect(findings.map(({ what }) => what)).toContain('truncation_invalid');
  });

  it('does not start from a row that names another entry', async () => {
    const put = { key: 'audit-archive', value: '3400' };
    await bench.store.commit({ writes: [{ table: 'meta', put }] });
    await expect(bench.reader.search({}, { limit: 1 })).rejects.toMatchObject({
      code: 'ERR_CIPHERTEXT_INVALID',
      reason: 'log_damaged',
    });
  });

  it('reports damage if the row names an earlier truncation', async () => {
    const value = firstRow ?? '';
    await bench.store.commit({ writes: [{ table: 'meta', put: { key: 'audit-archive', value } }] });
    await expect(scrub()).rejects.toMatchObject({ damage: { why: 'missing' } });
  });

  it('covers a checkpoint from before the truncation', async () => {
    const report = await verified({ externalCheckpoint: (await bench.reader.checkpoint())?.note });
    expect(report.assurance).toBe('anchored');
  });
});
