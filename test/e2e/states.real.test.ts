import Database from 'better-sqlite3';
import { readFileSync, statfsSync, writeFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateAgeKeyPair } from '../../src/crypto/encryption/age.ts';
import { REGION, setCredentials } from '../kit/aws/aws-connection.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { freePort } from '../kit/backends/free-port.ts';
import { createDatabase, type TestDatabase } from '../kit/backends/postgres.ts';
import { until } from '../kit/backends/until.ts';
import { canMount, itIfMounted, leftOut, SmallDisk } from '../kit/files/small-disk.ts';
import { CertificateAuthority } from '../kit/network/certificates.ts';
import { FaultProxy } from '../kit/network/fault-proxy.ts';
import type { Installation } from '../kit/broker/installation.ts';
import { FakeBucket } from '../kit/fakes/fake-bucket.ts';
import { InjectorPod } from '../kit/delivery/injector-pod.ts';
import { INSTRUMENTS, ObservedBroker, type Row } from '../kit/states/observed.ts';
import { Prometheus } from '../kit/states/prometheus.ts';

const PAGE = 'docs/states.md';
const HOUR_MS = 3_600_000;
/** A port on which nothing listens. */
const AWAY = 'https://127.0.0.1:9';
/** Larger than the files that are checked as a whole at start. */
const PAGE_BYTES = 4096;
const PADDING_BYTES = 65 * 1024 * 1024;

/** Options of Node with which the system clock seems to be two hours ahead. */
const TWO_HOURS_AHEAD = '--import=data:text/javascript,const{now}=Date;Date.now=()=>now()+7200000';

const FULL = 'disk full';
/** States that show after half a minute or more: their brokers begin first, and wait beside the others. */
const SLOW = ['watch that never started', 'injector not trusted', ...(canMount ? [FULL] : [])];

/** Puts a broker into a state. */
type Enter = (broker: ObservedBroker) => Promise<void>;

/** The rows of the table of the page, by state: what each instrument must say, as the code in its cell. */
function readRows(): ReadonlyMap<string, Row> {
  const lines = readFileSync(PAGE, 'utf8').split('\n');
  const heading = lines.findIndex((line) => line.startsWith('| state |'));
  const table = lines.slice(heading + 2, lines.indexOf('', heading));
  return new Map(
    table.map((line) => {
      const [, state = '', ...cells] = line.split('|').map((each) => each.trim());
      const codes = INSTRUMENTS.map((instrument, index) => [
        instrument,
        [...(cells[index] ?? '').matchAll(/`([^`]+)`/g)].map(([, code = '']) => code),
      ]);
      return [state, Object.fromEntries(codes) as Row];
    }),
  );
}

describeWith(
  ['promtool', 'postgres'],
  `the instruments of a broker${leftOut}`,
  ({ promtool, postgres }) => {
    let prometheus: Prometheus;
    let proxy: FaultProxy;
    let database: TestDatabase;
    let second: TestDatabase;
    let bucket: FakeBucket;
    let disk: SmallDisk | undefined;
    const ports = new Map<string, number>();
    const portOf = (state: string): number => ports.get(state) ?? 0;

    const transit = async ({ installation }: ObservedBroker): Promise<object> => ({
      type: 'vault-transit',
      connection: 'away',
      address: AWAY,
      auth: { method: 'token', tokenFile: await installation.write('vault.token', 'none') },
      key: 'quaymaster',
    });

    const STATES: Readonly<Record<string, Enter>> = {
      serving: async (broker) => {
        const { recipient } = await generateAgeKeyPair();
        const directory = broker.installation.file('backups');
        await broker.serve({ backup: { directory, recipients: [recipient], keep: 2 } });
        const { token } = broker;
        await broker.installation.call('POST', '/api/v1/backups', { token });
        await broker.until(/quaymaster_backup_completed_timestamp_seconds [1-9]/);
      },
      stopped: async (broker) => {
        await broker.serve();
        await until('Prometheus has seen it', async () =>
          (await prometheus.alerts(portOf('stopped'))).includes('QuaymasterBackupMissing'),
        );
        await broker.installation.stop();
      },
      sealed: async (broker) => {
        await broker.serve();
        const { token } = broker;
        await broker.installation.call('POST', '/api/v1/seal', {
          token,
          body: { reason: 'INC-1' },
        });
      },
      held: async (broker) => {
        await broker.serve();
        await broker.installation.stop();
        await rm(broker.installation.file('keys/checkpoint'));
        broker.begin();
      },
      'KEK away at the start': async (broker) => {
        await broker.serve();
        await broker.installation.stop();
        await rm(broker.installation.file('keys/kek'));
        broker.begin();
      },
      'KEK away': async (broker) => {
        await broker.serve();
        await broker.installation.stop();
        await broker.configure({ secondKek: await transit(broker) });
        await broker.installation.start();
      },
      'database away': async (broker) => {
        const dsn = database.connectionString.replace(`:${postgres.port}/`, `:${proxy.port}/`);
        const connectionStringFile = await broker.installation.write('dsn', dsn);
        await broker.serve({ store: { type: 'postgres', connectionStringFile } });
        await proxy.down();
        broker.undo = () => proxy.up();
      },
      [FULL]: async (broker) => {
        disk = SmallDisk.mount('64m')!;
        await broker.serve({ store: { type: 'sqlite', path: join(disk.path, 'quaymaster.db') } });
        const { token } = broker;
        const { bavail, bsize } = statfsSync(disk.path);
        try {
          writeFileSync(join(disk.path, 'filler'), Buffer.alloc(bavail * bsize));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        }
        await until('the disk is full', async () => {
          const answers = await Promise.all(
            Array.from({ length: 50 }, () =>
              broker.installation.call('GET', '/api/v1/policies', { token }),
            ),
          );
          return answers.some(({ status }) => status === 503);
        });
      },
      'checkpoint not written': async (broker) => {
        await broker.serve();
        const checkpoint = broker.installation.file('keys/checkpoint');
        await rm(checkpoint);
        // No file replaces a directory with content, not even by root.
        await mkdir(join(checkpoint, 'content'), { recursive: true });
        await broker.installation.call('GET', '/api/v1/operators', { token: broker.token });
      },
      'checkpoint away at the start': async (broker) => {
        setCredentials();
        const { endpoint } = bucket;
        const { installation } = broker;
        const checkpoint = { type: 's3', bucket: 'checkpoints', region: REGION, endpoint };
        const connectionStringFile = await installation.write('dsn', second.connectionString);
        await broker.serve({
          store: { type: 'postgres', connectionStringFile },
          audit: {
            origin: 'quaymaster.test/away',
            logKeyFile: installation.file('keys/log.pem'),
            checkpoint,
          },
        });
        await installation.stop();
        bucket.stop();
        broker.begin();
      },
      'clock ahead': async (broker) => {
        // A broker in production refuses options of Node.
        await broker.configure({ mode: 'development' });
        broker.token = await broker.installation.initialise({ NODE_OPTIONS: TWO_HOURS_AHEAD });
        await broker.installation.start();
      },
      'watch that never started': async (broker) => {
        const tokenFile = await broker.installation.write('kube.token', 'none');
        await broker.serve({
          connections: { kube: { type: 'kubernetes', server: AWAY, tokenFile } },
        });
        const issuer = 'https://issuer.test';
        const cluster = { connection: 'kube', issuer, audiences: ['quaymaster'], mode: 'jwks' };
        await broker.installation.create(broker.token, '/clusters/prod', cluster);
      },
      'certificate expired': async (broker) => {
        const authority = new CertificateAuthority();
        const { cert, key } = authority.issue({
          commonName: '127.0.0.1',
          ipAddresses: ['127.0.0.1'],
          notBefore: new Date(Date.now() - 2 * HOUR_MS),
          notAfter: new Date(Date.now() - HOUR_MS),
        });
        const { installation } = broker;
        await installation.write('ca.pem', authority.cert);
        const certificateFile = await installation.write('cert.pem', cert);
        const keyFile = await installation.write('key.pem', key);
        const { port } = new URL(installation.url);
        const tls = { certificateFile, keyFile };
        await broker.configure({ listener: { host: '127.0.0.1', port: Number(port), tls } });
        broker.token = await installation.initialise();
        broker.address = {
          QUAYMASTER_URL: installation.url.replace('http:', 'https:'),
          QUAYMASTER_CA_FILE: installation.file('ca.pem'),
        };
        broker.begin();
      },
      'injector not trusted': async (broker) => {
        const { installation, metricsPort } = broker;
        const tokenFile = await installation.write('kube.token', 'none');
        const ports = { injector: await freePort(), metrics: metricsPort };
        const settings = {
          metrics: { listener: { port: metricsPort } },
          connections: { kube: { type: 'kubernetes', server: AWAY, tokenFile } },
          injector: {
            listener: { host: '127.0.0.1', port: ports.injector },
            certificate: {
              managed: {
                connection: 'kube',
                webhookConfiguration: 'quaymaster',
                dnsNames: ['localhost'],
              },
            },
            image: 'registry.test/quaymaster:1',
            broker: {
              url: 'https://broker.test:8200',
              caFile: await installation.write('ca.pem', new CertificateAuthority().cert),
              cluster: 'prod',
            },
          },
        };
        await broker.configure(settings);
        const pod = InjectorPod.start(['injector'], await copyOf(installation), ports);
        broker.beside = pod;
        broker.undo = async () => void (await pod.stop('SIGKILL'));
        // The processes have one file in common, and on one machine two ports of metrics.
        await broker.serve({ ...settings, metrics: { listener: { port: await freePort() } } });
      },
      'index damaged': async (broker) => {
        await broker.serve();
        await broker.installation.stop();
        damageIndex(broker.installation.file('store/quaymaster.db'));
        broker.begin();
      },
      'index check that fails': async (broker) => {
        await broker.serve();
        await broker.installation.stop();
        replaceRunnerTable(broker.installation.file('store/quaymaster.db'));
        await broker.installation.start();
      },
      'no backup ever': (broker) => broker.serve(),
      'backup place missing': async (broker) => {
        const { recipient } = await generateAgeKeyPair();
        // Nothing can be created below a file, not even by root.
        const file = await broker.installation.write('unmounted', '');
        await broker.serve({
          backup: { directory: join(file, 'backups'), recipients: [recipient] },
        });
      },
    };

    beforeAll(async () => {
      proxy = await FaultProxy.start(postgres.port);
      [database, second] = [await createDatabase(postgres), await createDatabase(postgres)];
      bucket = await FakeBucket.start();
      for (const state of Object.keys(STATES)) ports.set(state, await freePort());
      prometheus = await Prometheus.start(promtool, [...ports.values()]);
    });
    afterAll(async () => {
      await prometheus.stop();
      await proxy.close();
      bucket.stop();
      await database.drop();
      await second.drop();
      disk?.unmount();
    });

    const rows = readRows();

    it('are on the page for each of these states', () => {
      expect([...rows.keys()]).toEqual(Object.keys(STATES));
    });

    it('are missed by Prometheus while there is no broker', async () => {
      await until('the alert', async () =>
        (await prometheus.alerts()).includes('QuaymasterAbsent'),
      );
    });

    describe('say what the page says of a broker', () => {
      const begun = new Map<string, Promise<ObservedBroker>>();

      beforeAll(() => {
        for (const state of SLOW) {
          const broker = begin(state);
          // Its test reports a failure.
          broker.catch(() => undefined);
          begun.set(state, broker);
        }
      });

      const others = Object.keys(STATES).filter((state) => state !== FULL);
      it.each(others)('%s', (state) => expectAsOnThePage(state));
      itIfMounted(FULL, () => expectAsOnThePage(FULL));

      async function begin(state: string): Promise<ObservedBroker> {
        const broker = await ObservedBroker.make(portOf(state));
        try {
          await STATES[state]?.(broker);
          return broker;
        } catch (error) {
          await broker.remove();
          throw error;
        }
      }

      async function expectAsOnThePage(state: string): Promise<void> {
        const row = rows.get(state)!;
        for (const instrument of INSTRUMENTS) {
          const isSilent = state === 'serving' && instrument === 'alert';
          if (!isSilent) expect([instrument, row[instrument]]).not.toEqual([instrument, []]);
        }
        const broker = await (begun.get(state) ?? begin(state));
        try {
          await broker.waitFor(row, prometheus);
          // The rules follow the first backup at their next evaluation.
          if (state === 'serving')
            await until('no alert of another row is raised', async () => {
              const raised = await prometheus.alerts(portOf(state));
              return !alertsOfOtherRows().test(raised.join());
            });
        } finally {
          await broker.remove();
        }
      }
    });

    function alertsOfOtherRows(): RegExp {
      return new RegExp([...rows.values()].flatMap(({ alert }) => alert).join('|'));
    }
  },
);

/** The configuration file as it is now. */
function copyOf(installation: Installation): Promise<string> {
  return installation.write(
    'injector.yaml',
    readFileSync(installation.file('config.yaml'), 'utf8'),
  );
}

function damageIndex(path: string): void {
  const database = new Database(path);
  // Free pages make the file too large for the check of the whole file at start.
  database.exec(`CREATE TABLE "padding" ("bytes" BLOB)`);
  database.prepare(`INSERT INTO "padding" VALUES (zeroblob(?))`).run(PADDING_BYTES);
  database.exec(`DROP TABLE "padding"`);
  const leaf = `SELECT "pageno" FROM dbstat WHERE "name" = 'operator_tokens_operator' AND "pagetype" = 'leaf'`;
  const page = database.prepare(leaf).pluck().get() as number;
  database.close();
  const bytes = readFileSync(path);
  const at = bytes.indexOf('bootstrap', (page - 1) * PAGE_BYTES);
  bytes.write('c', at);
  writeFileSync(path, bytes);
}

/** Replaces the table of the migration runner, which no check of the schema compares, by one without the row ids that the check of the indexes walks. */
function replaceRunnerTable(path: string): void {
  const database = new Database(path);
  database.exec(`DROP TABLE "quaymaster_schema"`);
  database.exec(`CREATE TABLE "quaymaster_schema" ("id" INTEGER PRIMARY KEY) WITHOUT ROWID`);
  database.close();
}
