import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createBucket } from '../../kit/aws/aws-bucket.ts';
import { REGION, setCredentials } from '../../kit/aws/aws-connection.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import { createDatabase, type TestDatabase } from '../../kit/backends/postgres.ts';
import { until } from '../../kit/backends/until.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';

const KILLS = 3;
/** The newest 512 entries stay in the store. */
const READS = 1_000;
const BATCH = 100;

describeWith(['postgres', 'moto'], 'an archive in a bucket, of a PostgreSQL store', (backends) => {
  const { postgres, moto } = backends;
  let database: TestDatabase;
  let broker: PreparedBroker;
  let url: string;

  beforeAll(async () => {
    setCredentials();
    const bucket = await createBucket(moto.endpoint);
    url = `s3://${bucket}/log`;
    database = await createDatabase(postgres);
    broker = await PreparedBroker.start({
      files: { dsn: database.connectionString },
      secrets: { 'own/db': { value: 'v' } },
      config: (directory) => ({
        store: { type: 'postgres', connectionStringFile: `${directory}/dsn` },
        audit: {
          origin: 'quaymaster.test/e2e',
          logKeyFile: `${directory}/keys/log.pem`,
          checkpointFile: `${directory}/keys/checkpoint`,
          sinks: [{ type: 'file', path: `${directory}/audit.jsonl` }],
          archive: {
            to: { type: 's3', bucket, prefix: 'log', region: REGION, endpoint: moto.endpoint },
          },
        },
      }),
    });
  });
  afterAll(async () => {
    await broker.remove();
    await database.drop();
  });

  async function record(): Promise<void> {
    const token = await broker.logInEarly();
    const items = Array.from({ length: BATCH }, () => ({ path: 'own/db' }));
    for (let read = 0; read < READS; read += BATCH) {
      const body = { items };
      const call = broker.installation.call('POST', '/api/v1/secrets:batch', { token, body });
      expect((await call).status).toBe(200);
    }
  }

  let tokenFile = '';
  const verb = (...words: readonly string[]): Promise<string> =>
    broker.installation.verb(...words, '--url', broker.installation.url, '--token-file', tokenFile);

  /** The newest entries are wanted too. */
  const inAnHour = (): string => new Date(Date.now() + 3_600_000).toISOString();
  const archive = (): Promise<string> =>
    verb('audit', 'archive', '--before', inAnHour(), '--reason', 'test', '--yes');

  it('is complete and verifies although the broker was killed in the middle of its runs, and continues while it is stopped', async () => {
    const { installation } = broker;
    tokenFile = await installation.write('operator.token', broker.operator);
    for (let kill = 0; kill < KILLS; kill += 1) {
      await record();
      const run = archive().catch((error: unknown) => error);
      await new Promise((resolve) => setTimeout(resolve, kill * 150));
      await installation.stop('SIGKILL');
      await run;
      await installation.start();
    }
    await until('a run archived most of the log', async () => {
      await archive().catch(() => '');
      const status = JSON.parse(await verb('audit', 'archive-status', '--output', 'json')) as {
        readonly truncation?: { readonly end: number };
      };
      return (status.truncation?.end ?? 0) > (KILLS - 1) * READS;
    });
    await record();
    const stopped = (): Promise<string> =>
      installation.verb(
        'audit',
        'archive',
        '--config',
        installation.file('config.yaml'),
        '--before',
        inAnHour(),
        '--reason',
        'retention',
      );
    await expect(stopped()).rejects.toThrow(/another broker uses it|stop every replica/);
    await installation.stop();
    expect(await stopped()).toMatch(/^archived \d+ entries, \d+ to \d+, to s3:/);
    // The entries of the first run can complete one more bundle of 256.
    expect(await stopped()).toMatch(/^archived 256 entries|nothing to archive/);
    expect(await stopped()).toContain('nothing to archive');
    const target = installation.file('export');
    await installation.verb(
      'audit',
      'export',
      target,
      '--config',
      installation.file('config.yaml'),
    );
    const checkpoint = ['--checkpoint', installation.file('keys/checkpoint')];
    const place = ['--archive', url, '--region', REGION, '--endpoint', moto.endpoint];
    const whole = await installation.verb('audit', 'verify', target, ...checkpoint, ...place);
    expect(whole).toContain('verified: ');
    expect(whole).toContain('anchored');
  });
});
