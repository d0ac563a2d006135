import { readFile } from 'node:fs/promises';
import { afterAll, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import { until } from '../kit/backends/until.ts';
import { makePostgresPlace, type PostgresPlace } from '../kit/databases/postgres-fixture.ts';
import { findCanary } from '../kit/checks/find-canary.ts';
import type { AgentProcess } from '../kit/delivery/agent-process.ts';
import { agentSuite } from '../kit/delivery/agent-suite.ts';
import { CommandLine } from '../kit/cli/command-line.ts';
import { eventually } from '../kit/time/eventually.ts';
import type { PreparedBroker, BrokerSetup } from '../kit/broker/prepared-broker.ts';

// Before version 16, PostgreSQL makes the creator a member of a role only if the statement says so.
const CREATE =
  'CREATE ROLE {{name}} LOGIN PASSWORD {{password}} VALID UNTIL {{expiration}} ROLE CURRENT_USER';
const PATH = 'db/readonly';
const SECRET = { path: PATH, file: 'db.json', credential: { ttl: '10s' } };
const TOKEN_SECONDS = 3_600;

interface Credential {
  readonly username: string;
  readonly password: string;
}

let place: PostgresPlace;
let broker: PreparedBroker;
let agent: AgentProcess;

function furniture(): BrokerSetup {
  return {
    files: { 'pg.password': place.adminPassword },
    config: (directory) => ({
      connections: {
        database: {
          type: 'postgres',
          host: place.host,
          port: place.port,
          database: place.database,
          username: place.admin,
          passwordFile: `${directory}/pg.password`,
          locators: ['credentials/*'],
        },
      },
    }),
    documents: {
      '/mounts/db': {
        prefix: 'db',
        connection: 'database',
        options: { roles: { readonly: { creation: [CREATE] } } },
      },
      [`/definitions/${PATH}`]: { class: 'dynamic', leaseTtl: '10s', maxLeaseTtl: '10m' },
    },
  };
}

/** Roles of the server that this administrator created: other suites share it. */
async function roles(): Promise<readonly string[]> {
  const rows = await place.query(
    `SELECT DISTINCT m.roleid::regrole::text FROM pg_auth_members m JOIN pg_roles a ON a.oid = m.member
      WHERE a.rolname = $1`,
    [place.admin],
  );
  return rows.map(([name]) => String(name)).filter((name) => name.includes('qm-'));
}

async function delivered(): Promise<Credential> {
  return JSON.parse((await agent.read('db.json'))!) as Credential;
}

describeWith(['postgres'], 'an agent with a dynamic credential', ({ postgres }) => {
  agentSuite({
    async furniture() {
      place = await makePostgresPlace(postgres);
      return furniture();
    },
    begin: (running) => ({ broker, agent } = running),
  });

  afterAll(() => place.close());

  it('renews it while its lease allows, and revokes it when it stops', async () => {
    await agent.configure({ secrets: [SECRET] });
    await agent.startReady();
    const { username, password } = await delivered();
    expect(await place.logsIn(username, password)).toBe(true);
    const endsAt = async (): Promise<number> => {
      const text =
        'SELECT extract(epoch FROM rolvaliduntil)::float8 FROM pg_roles WHERE rolname = $1';
      const [row] = await place.query(text, [username]);
      return Number(row?.[0]);
    };
    const first = await endsAt();
    await until('it is renewed at the server', async () => (await endsAt()) > first);
    expect(await delivered()).toEqual({ username, password });
    expect(await roles()).toHaveLength(1);
    expect(await agent.stop()).toEqual({ code: 0, signal: null });
    await until('the role is gone', async () => (await roles()).length === 0);
    expect(await place.logsIn(username, password)).toBe(false);
    expect(findCanary(password, { output: agent.output })).toEqual([]);
  });

  it('leaves, when it is killed, a credential that expires with its lease', async () => {
    await agent.configure({ secrets: [SECRET] });
    await agent.startReady();
    const { username, password } = await delivered();
    await agent.stop('SIGKILL');
    expect(await place.logsIn(username, password)).toBe(true);
    await until('the role is gone', async () => (await roles()).length === 0);
    expect(await place.logsIn(username, password)).toBe(false);
  });

  it('leaves, when it is killed, a credential that expires with its session though its lease could be longer', async () => {
    const soonOver = broker.serviceAccountToken({ at: Date.now() - TOKEN_SECONDS * 1000 + 15_000 });
    await agent.rotateToken(soonOver);
    await agent.configure({ secrets: [{ ...SECRET, credential: { ttl: '10m' } }] });
    await agent.startReady();
    await agent.stop('SIGKILL');
    expect(await roles()).toHaveLength(1);
    await until('the role is gone', async () => (await roles()).length === 0);
  });

  it('is not needed: the command line issues, shows and revokes one', async () => {
    const pod = await CommandLine.make();
    const token = await pod.write('pod-token', broker.serviceAccountToken());
    const { url } = broker.installation;
    await pod.ok('login', '--url', url, '--cluster', 'c1', '--pod-token-file', token);
    const masked = await pod.json('credential', PATH);
    expect(masked.data).toBeDefined();
    const shown = await pod.json('credential', PATH, '--reveal');
    const { username, password } = shown.data as Credential;
    expect(await place.logsIn(username, password)).toBe(true);
    expect(await roles()).toHaveLength(2);
    await pod.ok('lease', 'release', shown.lease.id as string);
    await until('one is gone', async () => (await roles()).length === 1);
    expect(await place.logsIn(username, password)).toBe(false);
    await pod.ok('logout');
    await eventually('the other is gone', async () =>
      (await roles()).length === 0 ? true : undefined,
    );
    const log = await readFile(broker.installation.file('audit.jsonl'));
    expect(findCanary(password, { log, broker: broker.installation.output })).toEqual([]);
    await pod.remove();
  });
});
