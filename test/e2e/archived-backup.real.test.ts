import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../src/process/clock.ts';
import { archiveBucket } from '../../src/providers/aws/archive-bucket.ts';
import { createBucket } from '../kit/aws/aws-bucket.ts';
import { REGION, setCredentials } from '../kit/aws/aws-connection.ts';
import { describeWith } from '../kit/backends/backends.ts';
import type { Installation } from '../kit/broker/installation.ts';
import { ArchivingBroker } from '../kit/log/archiving-broker.ts';

let archiving: ArchivingBroker;
let broker: Installation;
let config: readonly string[];
const place = (): string => broker.file('archive');

beforeAll(async () => {
  archiving = await ArchivingBroker.start((directory) => ({
    sinks: [{ type: 'file', path: join(directory, 'audit.jsonl') }, { type: 'stdout' }],
    to: { type: 'directory', path: join(directory, 'archive') },
  }));
  ({ installation: broker, config } = archiving);
});
afterAll(() => archiving.remove());

const verb = (...words: readonly string[]): Promise<string> => archiving.verb(...words);

let exports = 0;
/** Exports the log while the broker is stopped, and verifies it. */
async function verified(...more: readonly string[]): Promise<string> {
  await broker.stop();
  exports += 1;
  const target = broker.file(`export-${exports}`);
  await broker.verb('audit', 'export', target, ...config);
  return broker.verb('audit', 'verify', target, ...more);
}

describeWith(['moto'], 'a broker whose log was archived in part', ({ moto }) => {
  let made: string;

  /** Copies the archive into a bucket. @returns the options that name it */
  async function bucketOptions(): Promise<readonly string[]> {
    setCredentials();
    const bucket = await createBucket(moto.endpoint);
    const to = {
      type: 's3',
      bucket,
      prefix: 'log',
      region: REGION,
      endpoint: moto.endpoint,
    } as const;
    const copied = await archiveBucket(to, systemClock);
    for (const name of await readdir(place()))
      await copied.put(name, await readFile(join(place(), name)));
    return ['--archive', `s3://${bucket}/log`, '--region', REGION, '--endpoint', moto.endpoint];
  }

  it('is backed up, and the backup verifies in all its parts', async () => {
    expect(await archiving.archive(512)).toContain('archived');
    expect(await readdir(place())).not.toHaveLength(0);
    made = await archiving.backUp();
    const identity = ['--identity', broker.file('backup.key')];
    const text = await broker.verb('backup', 'verify', made, ...config, ...identity);
    expect(text).toContain('digests of all rows');
  });

  it('is restored, released under a new origin, and verifies across the archive (F40)', async () => {
    await archiving.create('/mounts/early', { prefix: 'early', connection: 'embedded' });
    expect(await archiving.archive(1_024)).toContain('archived');
    await archiving.create('/mounts/late', { prefix: 'late', connection: 'embedded' });
    await broker.stop();
    const newer = broker.file('newer');
    await broker.verb('audit', 'export', newer, ...config);
    const present = broker.file('present');
    await cp(broker.file('store'), present, { recursive: true });
    const restore = ['restore', made, ...config, '--identity', broker.file('backup.key')];
    for (const more of [[], ['--newer-log', newer]]) {
      const printed = await broker.verb(...restore, '--replace', ...more);
      expect(printed).toMatch(/NOT COMPLETE: the entries \d+ to \d+ are in the archive of the log/);
      expect(printed).toMatch(/document\.write {2}mount\/late/);
      expect(printed).not.toContain('mount/early');
    }
    await rm(broker.file('store'), { recursive: true });
    await cp(present, broker.file('store'), { recursive: true });
    const empty = broker.file('empty');
    await mkdir(empty);
    await expect(
      broker.verb(...restore, '--replace', '--newer-log', newer, '--archive', empty),
    ).rejects.toThrow(/does not continue the log of the backup: the archive does not have/);
    const newerLog = ['--newer-log', newer];
    for (const more of [
      ['--archive', place()],
      ['--archive', place(), ...newerLog],
      [...(await bucketOptions()), ...newerLog],
    ]) {
      const printed = await broker.verb(...restore, '--replace', ...more);
      expect(printed).not.toContain('NOT COMPLETE');
      expect(printed).toMatch(/document\.write {2}mount\/early/);
      expect(printed).toMatch(/document\.write {2}mount\/late/);
    }
    const released = await broker.verb('release', ...config, '--comment', 'restored');
    expect(released).not.toContain('{"delivery"');
    const text = await verified('--archive', place());
    expect(text).toMatch(/^verified: /);
    expect(text).toContain('They were read from the archive');
    expect(text).toMatch(/released as/);
  });

  it('is archived again after the restore, beside the objects of the lost history', async () => {
    await broker.start();
    const before = (await readdir(place())).length;
    expect(await archiving.archive(1_024)).toContain('archived');
    expect((await readdir(place())).length).toBeGreaterThan(before);
    expect(await verified('--archive', place())).toMatch(/^verified: /);
    expect(await verified()).toContain('They were NOT read');
  });

  it('is archived while it is stopped, to the configured place or to a directory', async () => {
    const stopped = (...more: readonly string[]): Promise<string> =>
      broker.verb('audit', 'archive', ...config, '--reason', 't', '--before', before, ...more);
    const before = new Date(Date.now() + 3_600_000).toISOString();
    await broker.start();
    await expect(stopped()).rejects.toThrow(/another process holds the store/);
    await archiving.record();
    await broker.stop();
    const to = broker.file('elsewhere');
    expect(await stopped('--to', to, '--dry-run')).toMatch(
      /^would archive \d+ entries, .*elsewhere/,
    );
    expect(await stopped('--to', to)).toMatch(
      /^archived \d+ entries, \d+ to \d+, to .*elsewhere\nThe broker reads archived entries from audit\.archive/,
    );
    // The entries of the first run can complete one more bundle of 256.
    expect(await stopped()).toMatch(/^archived 256 entries|nothing to archive/);
    await broker.start();
    await archiving.record();
    await broker.stop();
    // The next broker continues the sink of standard output; the result of a command has none of its entries.
    expect(await stopped()).toMatch(/^archived \d+ entries, .*archive\n$/);
    await cp(to, place(), { recursive: true });
    expect(await verified('--archive', place())).toMatch(/^verified: /);
  });

  it('is shown by doctor and status: the last run, what is due, and a place that fails', async () => {
    await broker.start();
    expect(await verb('doctor', ...config)).toMatch(
      /ok +place of the audit archive: .*archive can be reached\n[^]*ok +audit archive: .*archive: the last run was \d+ (s|min) ago; 0 entries are older than 90 days/,
    );
    const shown = async (word: string, ...more: readonly string[]): Promise<string> =>
      verb(word, ...more).catch((error: unknown) => (error as { stdout: string }).stdout);
    expect(await shown('status')).toMatch(/archive: last run \d+ (s|min) ago$/m);
    await rename(place(), broker.file('moved'));
    await writeFile(place(), '');
    await archiving.record();
    const before = new Date(Date.now() + 3_600_000).toISOString();
    const failed = verb('audit', 'archive', '--before', before, '--reason', 't', '--yes');
    await expect(failed).rejects.toThrow();
    expect(await shown('doctor', ...config)).toMatch(
      /PROBLEM +place of the audit archive: cannot be reached: [^]*PROBLEM +audit archive: .*: the last run failed: ERR_PROVIDER_UNAVAILABLE: .*could not be/,
    );
    expect(await shown('status')).toMatch(/archive: last run .*, 1 failed run; quaymaster audit/);
  });
});
