import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { readFile, rm } from 'node:fs/promises';
import { createBucket } from '../kit/aws/aws-bucket.ts';
import { REGION, setCredentials } from '../kit/aws/aws-connection.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { until } from '../kit/backends/until.ts';
import type { Installation } from '../kit/broker/installation.ts';
import { ArchivingBroker } from '../kit/log/archiving-broker.ts';
import { HttpReceiver } from '../kit/log/sink-receivers.ts';

const SUSPECT = 'oidc:corp/mallory';

/** A list of lost changes, without the name of its source. */
function listIn(printed: string): string {
  const [, list = ''] = /apply again what still counts:\n([^]*)$/.exec(printed) ?? [];
  return list.trim();
}

describeWith(['moto'], 'a backup that is restored after the loss of the disk', ({ moto }) => {
  let receiver: HttpReceiver;
  let broker: ArchivingBroker;
  let installation: Installation;
  let made: string;
  let checkpoint: string;
  /** The options that name the bucket. */
  let archive: readonly string[];

  const create = (path: string, document: object): Promise<void> => broker.create(path, document);
  const call = (method: string, path: string, more: object = {}) =>
    installation.call(method, `/api/v1${path}`, { token: broker.admin, ...more });

  beforeAll(async () => {
    setCredentials();
    const bucket = await createBucket(moto.endpoint);
    receiver = await HttpReceiver.start();
    broker = await ArchivingBroker.start(() => ({
      sinks: [{ type: 'http', url: receiver.url }],
      to: { type: 's3', bucket, prefix: 'log', region: REGION, endpoint: moto.endpoint },
    }));
    ({ installation } = broker);
    archive = ['--archive', `s3://${bucket}/log`, '--region', REGION, '--endpoint', moto.endpoint];
    await create('/mounts/gone', { prefix: 'gone', connection: 'embedded' });
    made = await broker.backUp();
    const deleted = await call('DELETE', '/mounts/gone', { headers: { 'if-match': '*' } });
    expect(deleted.status).toBe(204);
    const quarantine = { kind: 'operator', operator: SUSPECT, reason: 'stolen' };
    expect((await call('POST', '/quarantines', { body: quarantine })).status).toBe(200);
    await create('/mounts/early', { prefix: 'early', connection: 'embedded' });
    expect(await broker.archive(512)).toContain('archived');
    await create('/mounts/late', { prefix: 'late', connection: 'embedded' });
    // A copy, because the broker may write another one before it is killed, whose entries it did not send any more.
    await until('the receiver has all that a copy of the checkpoint proves', async () => {
      const note = await readFile(installation.file('keys/checkpoint'), 'utf8');
      checkpoint = await installation.write('checkpoint', note);
      const size = Number(note.split('\n')[1]);
      const received = receiver.entries();
      const late = [...received].find(([, entry]) => entry.includes('"late"'));
      return received.has(size - 1) && size > (late?.[0] ?? Infinity);
    });
    // Only now: an entry is in the log up to a quarter of a second after its commit, and an export before that lacks it.
    await broker.verb('audit', 'export', installation.file('newer'));
    await installation.stop('SIGKILL');
    await rm(installation.file('store'), { recursive: true });
  });
  afterAll(async () => {
    await broker.remove();
    await receiver.close();
  });

  it('lists what it lacks, by an export and the archive in a bucket (BR01)', async () => {
    const restore = (...more: readonly string[]): Promise<string> =>
      installation.verb(
        'restore',
        made,
        ...broker.config,
        '--identity',
        installation.file('backup.key'),
        '--newer-log',
        installation.file('newer'),
        ...more,
      );
    const printed = await restore(...archive);
    const listed = listIn(printed);
    expect(listed).toMatch(
      /^removals and restrictions[^\n]*\(2\)\n {2}\d+ .* document\.delete {2}mount\/gone {2}by bootstrap\n {2}\d+ .* quarantine\.create /,
    );
    expect(listed).toMatch(/document\.write {2}mount\/early .*\n.*document\.write {2}mount\/late /);
    const without = await restore('--replace');
    expect(without).toMatch(/NOT COMPLETE: the entries \d+ to \d+ are in the archive of the log/);
    expect(without).not.toContain('mount/early');
  });

  it('lists what it lacks, and applies removals, by the requests that the receiver of an HTTP sink kept (BR01)', async () => {
    const bodies = receiver.requests.map(({ text }) => text).join('');
    const kept = await installation.write('http.ndjson', bodies);
    const release = (source: string, ...more: readonly string[]): Promise<string> =>
      installation.verb(
        'release',
        ...broker.config,
        '--comment',
        'the disk was lost',
        '--apply-removals',
        source,
        '--checkpoint',
        checkpoint,
        ...more,
      );
    const plan = await release(kept);
    expect(plan).toMatch(/documents deleted: 1, of which the store has 1\n {4}mount\/gone/);
    expect(plan).toMatch(/quarantines: 1, of which the store has 1\n/);
    const left = listIn(plan);
    expect(left).toMatch(/document\.write {2}mount\/early .*\n.*document\.write {2}mount\/late /);
    // What the release applies is not among what is left to do.
    expect(left).not.toMatch(/document\.delete|quarantine\.create/);
    expect(listIn(await release(installation.file('newer'), ...archive))).toBe(left);
    expect(await release(kept, '--yes')).toContain('mount/gone');
    await installation.start();
    const { json } = await call('GET', '/mounts');
    expect(json['items']).toEqual([]);
    expect((await call('GET', '/quarantines')).json['items']).toMatchObject([
      { subject: SUSPECT, reason: 'stolen' },
    ]);
  });
});
