import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync, globSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { CORE_SCHEMA, load, mergeTag } from 'js-yaml';
import { describeWith } from '../kit/backends/backends.ts';
import { installedProgram } from '../kit/backends/cache.ts';
import { freePort } from '../kit/backends/free-port.ts';
import { OPENBAO } from '../kit/backends/recipes.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import { until } from '../kit/backends/until.ts';
import { eventually } from '../kit/time/eventually.ts';
import { PROGRAM } from '../kit/broker/dev-broker.ts';
import { textOf } from '../kit/pages/tracked-files.ts';

const run = promisify(execFile);

interface Container {
  readonly image: string;
  readonly build?: string;
  readonly user?: string;
  readonly network_mode?: string;
  readonly ports?: readonly string[];
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly healthcheck?: object;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}

interface Compose {
  readonly services: Readonly<Record<string, Container>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const COMPOSE = 'deploy/compose.yaml';
const { services, volumes } = load(textOf(COMPOSE), {
  schema: CORE_SCHEMA.withTags(mergeTag),
}) as Compose;
const entries = Object.entries(services);
/** The image of the broker has a health check of its own. */
const OWN_IMAGE = 'quaymaster:0.1.0';

describe(COMPOSE, () => {
  it('mounts only files that exist and volumes that it declares', () => {
    const sources = entries.flatMap(([, service]) =>
      (service.volumes ?? []).map((volume) => volume.split(':')[0] ?? ''),
    );
    const files = sources.filter((source) => source.startsWith('.'));
    expect(files.filter((file) => !existsSync(join(dirname(COMPOSE), file)))).toEqual([]);
    const named = new Set(sources.filter((source) => !source.startsWith('.')));
    expect([...named].sort()).toEqual(Object.keys(volumes).sort());
  });

  it('waits only for services that can become what it waits for', () => {
    for (const [name, { depends_on: needed = {} }] of entries) {
      for (const [other, { condition }] of Object.entries(needed)) {
        const service = services[other];
        expect([name, other, service === undefined]).toEqual([name, other, false]);
        const isHealthy = service?.healthcheck !== undefined || service?.image === OWN_IMAGE;
        expect([name, condition === 'service_healthy' && !isHealthy]).toEqual([name, false]);
      }
    }
  });

  it('publishes one port, on loopback, and gives no service of the broker a capability or a root that it can write to', () => {
    const ports = entries.flatMap(([, service]) => service.ports ?? []);
    expect(ports).toEqual(['127.0.0.1:8200:8201']);
    for (const [name, service] of entries) {
      if (service.image !== OWN_IMAGE || service.user === 'root') continue;
      expect([name, service.read_only, service.cap_drop]).toEqual([name, true, ['ALL']]);
    }
  });

  it('builds the image of the version that package.json names', () => {
    const { version } = JSON.parse(textOf('package.json')) as { readonly version: string };
    const built = entries.filter(([, { build }]) => build !== undefined);
    expect(new Set(built.map(([, { image }]) => image))).toEqual(
      new Set([`quaymaster:${version}`]),
    );
  });
});

describeWith(
  ['openbao', 'postgres', 'shellcheck'],
  `the services of ${COMPOSE}`,
  ({ postgres, shellcheck }) => {
    const database = uniqueName('compose').replaceAll('-', '_');
    const children: ChildProcess[] = [];
    let directory: string;
    let local: (text: string) => string;
    let brokerPort: string;
    let publishedPort: string;

    /** Replaces the paths, ports and users of the containers by those of this test. */
    async function prepare(): Promise<void> {
      directory = await mkdtemp(join(tmpdir(), 'quaymaster-compose-'));
      const [broker, bao, health] = [await freePort(), await freePort(), await freePort()];
      brokerPort = String(broker);
      publishedPort = String(await freePort());
      const owner = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;
      local = (text) =>
        text
          .replaceAll('/run/', `${directory}/run/`)
          .replaceAll('/compose/', `${directory}/compose/`)
          .replaceAll('/etc/quaymaster/', `${directory}/compose/`)
          .replaceAll('/var/lib/quaymaster-keys', `${directory}/keys`)
          .replaceAll('10001:10001', owner)
          .replaceAll('127.0.0.1:8300', `127.0.0.1:${bao}`)
          .replaceAll('127.0.0.1:8200', `127.0.0.1:${broker}`)
          .replaceAll('0.0.0.0:8201', `127.0.0.1:${publishedPort}`)
          .replaceAll('127.0.0.1:5432/quaymaster', `127.0.0.1:${postgres.port}/${database}`)
          .replaceAll('health: {}', `health: { port: ${health} }`)
          .replaceAll('node --disable-sigusr1 /app/dist/quaymaster.cjs', PROGRAM.join(' '));
      await cp('deploy/compose', join(directory, 'compose'), { recursive: true });
      for (const name of globSync('**/*.*', { cwd: join(directory, 'compose') })) {
        const file = join(directory, 'compose', name);
        await writeFile(file, local(await readFile(file, 'utf8')));
      }
      for (const name of ['openbao', 'postgres', 'broker', 'workload', 'quaymaster'])
        await mkdir(join(directory, 'run', name), { recursive: true, mode: 0o700 });
      await mkdir(join(directory, 'keys'), { mode: 0o700 });
    }

    /** Starts a service as its image would: with its own entry point, or with that of the broker's image. */
    function start(name: string): ChildProcess {
      const { entrypoint = PROGRAM, command = [], environment = {} } = services[name] as Container;
      const [program = '', ...words] = [...entrypoint, ...command].map(local);
      const child = spawn(program, words, {
        cwd: directory,
        stdio: ['ignore', 'ignore', 'inherit'],
        // A group of its own, which ends as a whole, as a container does.
        detached: true,
        env: {
          PATH: `${dirname(installedProgram(OPENBAO))}:${process.env['PATH'] ?? ''}`,
          HOME: directory,
          QUAYMASTER__listener__port: brokerPort,
          ...Object.fromEntries(
            Object.entries(environment).map(([key, value]) => [key, local(value)]),
          ),
        },
      });
      children.push(child);
      return child;
    }

    async function complete(name: string): Promise<void> {
      const [code] = (await once(start(name), 'exit')) as [number | null];
      expect([name, code]).toEqual([name, 0]);
    }

    async function healthy(name: string, check: () => boolean | Promise<boolean>): Promise<void> {
      const child = start(name);
      await until(`${name} is healthy`, async () => {
        if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`);
        return check();
      });
    }

    async function asAdmin(statements: readonly string[]): Promise<void> {
      const client = new pg.Client({ connectionString: postgres.adminConnectionString });
      await client.connect();
      try {
        for (const statement of statements) await client.query(statement);
      } finally {
        await client.end();
      }
    }

    /** Runs the file that the service mounts, as the image of PostgreSQL does. Its names differ from those of other suites. */
    async function runInitSql(): Promise<void> {
      const sql = await readFile(join(directory, 'run/postgres/init.sql'), 'utf8');
      await asAdmin(sql.replaceAll('quaymaster', database).trim().split('\n'));
      const url = join(directory, 'run/broker/store.url');
      const text = await readFile(url, 'utf8');
      await writeFile(url, text.replace('//quaymaster:', `//${database}:`));
    }

    beforeAll(async () => {
      await prepare();
      await complete('passwords');
      await healthy('openbao', async () => {
        const address = local('-address=http://127.0.0.1:8300');
        return run(installedProgram(OPENBAO), ['status', address]).then(
          () => true,
          () => false,
        );
      });
      await healthy('identity', () => existsSync(join(directory, 'run/broker/workload-keys.json')));
      await runInitSql();
      await complete('init');
      const broker = `http://127.0.0.1:${brokerPort}/readyz`;
      const isReady = (): Promise<boolean> =>
        fetch(broker).then(
          ({ ok }) => ok,
          () => false,
        );
      await healthy('broker', isReady);
      await complete('documents');
      await healthy('agent', () => existsSync(join(directory, 'run/quaymaster/mail.json')));
    });

    afterAll(async () => {
      for (const child of children.toReversed()) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        process.kill(-(child.pid ?? 0), 'SIGTERM');
        await once(child, 'exit');
      }
      await asAdmin([
        `DROP DATABASE IF EXISTS ${database} WITH (FORCE)`,
        `DROP ROLE IF EXISTS ${database}`,
      ]);
      await rm(directory, { recursive: true });
    });

    it('give the application its secret', async () => {
      const text = await readFile(join(directory, 'run/quaymaster/mail.json'), 'utf8');
      expect(JSON.parse(text)).toEqual({ username: 'mailer', password: 'correct horse' });
    });

    it('answer at the published port, with the token that an operator copies', async () => {
      start('publish');
      const token = await readFile(join(directory, 'keys/operator-token'), 'utf8');
      const answer = await eventually('the port is published', () =>
        fetch(`http://127.0.0.1:${publishedPort}/api/v1/operator-tokens/self`, {
          headers: { authorization: `Bearer ${token.trim()}` },
        }).catch(() => undefined),
      );
      expect(answer.status).toBe(200);
    });

    it('start again as they were: nothing that runs once runs twice', async () => {
      const secrets = ['run/openbao/root-token', 'run/broker/store.url', 'keys/operator-token'];
      const read = (): Promise<readonly string[]> =>
        Promise.all(secrets.map((name) => readFile(join(directory, name), 'utf8')));
      const before = await read();
      for (const name of ['passwords', 'init', 'documents']) await complete(name);
      expect(await read()).toEqual(before);
    });

    it('have scripts without a finding of ShellCheck', async () => {
      const names = globSync('deploy/compose/*.sh');
      expect(names.length).toBeGreaterThan(0);
      expect((await run(shellcheck.program, names)).stdout).toBe('');
    });
  },
);
