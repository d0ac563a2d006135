import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import type { Running } from '../kit/backends/footprint.ts';
import {
  createDatabase,
  startPostgres,
  type Postgres,
  type TestDatabase,
} from '../kit/backends/postgres.ts';
import { until } from '../kit/backends/until.ts';
import { EventReader } from '../kit/api/event-reader.ts';
import { FakeApiServer } from '../kit/fakes/fake-api-server.ts';
import type { FakePod } from '../kit/fakes/fake-pods.ts';
import { FakeVault } from '../kit/fakes/fake-vault.ts';
import { CommitRecorder, type CommittedEntry } from '../kit/store/commit-order.ts';
import { History } from '../kit/broker/request-history.ts';
import { PreparedBroker, vaultConnection } from '../kit/broker/prepared-broker.ts';
import type { Answer } from '../kit/broker/installation.ts';

/** `ROUNDS` in the environment sets a higher number. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 8);
const READERS = 6;
const PODS = 12;
/** The time that a claim, an abandoned issue and a back-off take at this speed. */
const SPEED = 10;

let postgres: Running<Postgres>;
let database: TestDatabase;
let commits: CommitRecorder;
let kube: FakeApiServer;
let vault: FakeVault;
let first: PreparedBroker;
let second: PreparedBroker;
const history = new History();

function policyOf(name: string, paths: readonly string[]): object {
  return {
    apiVersion: 'quaymaster.dev/v1',
    kind: 'AccessPolicy',
    metadata: { name },
    spec: {
      subjects: [{ clusters: ['pods'], namespaces: ['shop'], serviceAccounts: ['*'] }],
      rules: [{ name: 'some', effect: 'allow', paths, capabilities: ['read'] }],
    },
  };
}

async function seed(connectionString: string): Promise<void> {
  const { caFile, access } = kube;
  first = await PreparedBroker.start({
    files: { 'vault.token': 's.broker', dsn: connectionString },
    config: (directory) => ({
      store: { type: 'postgres', connectionStringFile: `${directory}/dsn` },
      // The fast clock shortens it: on a busy machine a request may take two seconds.
      limits: { requestSeconds: 25 },
      connections: {
        kube: { ...access, caFile },
        // On a busy machine a call that several processes wait for takes longer than the default of 5 s.
        vault: vaultConnection(directory, vault.address),
      },
    }),
    documents: {
      '/clusters/pods': {
        connection: 'kube',
        issuer: kube.issuer,
        audiences: ['quaymaster'],
        mode: 'jwks',
      },
      '/mounts/db': {
        prefix: 'db',
        connection: 'vault',
        options: { engine: 'dynamic', path: 'db', root: 'creds', tokenRole: 'creds' },
      },
      '/definitions/db/app': { class: 'dynamic', leaseTtl: '10m' },
      '/definitions/own/brief': { leaseTtl: '2s' },
      '/policies/pods': policyOf('pods', ['own/kept']),
    },
  });
  await write('own/kept', 'kept');
  await write('own/brief', 'brief');
  second = await first.replica();
  await second.installation.start();
}

async function write(path: string, value: string): Promise<void> {
  const asked = { kind: 'write', path, session: 'operator', value } as const;
  await history.run(asked, () =>
    first.installation.call('PUT', `/api/v1/secrets/${path}`, {
      token: first.operator,
      body: { data: { value } },
      headers: { 'if-none-match': '*' },
    }),
  );
}

function read(broker: PreparedBroker, token: string, path: string): Promise<Answer | undefined> {
  const asked = { kind: 'read', path, session: token, value: undefined } as const;
  return history.run(asked, () => broker.read(token, path));
}

function endSession(broker: PreparedBroker, token: string): Promise<Answer | undefined> {
  const asked = { kind: 'logOut', path: '', session: token, value: undefined } as const;
  const send = { token };
  return history.run(asked, () =>
    broker.installation.call('DELETE', '/api/v1/sessions/self', send),
  );
}

function createPod(name: string): FakePod {
  const pod = kube.pods.create({ namespace: 'shop', name, serviceAccount: 'web' });
  return kube.pods.setPhase(pod, 'Running');
}

async function logInPod(
  broker: PreparedBroker,
  pod: FakePod,
  changes: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const wish = { namespace: 'shop', serviceAccount: 'web', audience: ['quaymaster'], pod };
  const body = { cluster: 'pods', token: kube.token(wish, changes) };
  const answer = await broker.installation.call('POST', '/api/v1/sessions', { body });
  if (answer.status !== 201) throw new Error(`no session: ${JSON.stringify(answer.json)}`);
  return String(answer.json['token']);
}

/** Reads until it is refused, and a few times more. */
async function hammer(broker: PreparedBroker, token: string, path: string): Promise<void> {
  while ((await read(broker, token, path))?.status === 200);
  for (let more = 0; more < 3; more += 1) {
    expect((await read(broker, token, path))?.status).toBe(403);
  }
}

const okReads = (path: string): number =>
  history.operations.filter(
    (operation) =>
      operation.kind === 'read' && operation.path === path && operation.outcome === 'ok',
  ).length;

async function entries(): Promise<readonly CommittedEntry[]> {
  return commits.read();
}

const REVOKED = ['credential.revoke'];

/** The number of times that each was ended, by its name in the entries. */
function ends(log: readonly CommittedEntry[], name: string, actions: readonly string[]): number[] {
  const ended = log.filter(
    (entry) => entry.outcome === 'ok' && actions.includes(entry.action) && name in entry,
  );
  return [...Map.groupBy(ended, (entry) => entry[name]).values()].map((same) => same.length);
}

describeWith(['postgres'], 'two brokers on one PostgreSQL', () => {
  beforeAll(async () => {
    // A server of its own, which reports the order of its commits.
    postgres = await startPostgres({ settings: { track_commit_timestamp: 'on' } });
    database = await createDatabase(postgres);
    commits = await CommitRecorder.start(database.connectionString);
    kube = await FakeApiServer.start();
    kube.createAccount('shop', 'web');
    vault = await FakeVault.start();
    await seed(database.connectionString);
  });
  afterAll(async () => {
    await (second as PreparedBroker | undefined)?.remove();
    await (first as PreparedBroker | undefined)?.remove();
    await commits.stop();
    await vault.close();
    await kube.close();
    await postgres.stop();
  });

  it("accept each other's sessions, and refuse them at once when they close", async () => {
    const pod = createPod('known');
    for (const [one, other] of [
      [first, second],
      [second, first],
    ] as const) {
      const token = await logInPod(one, pod);
      expect((await read(other, token, 'own/kept'))?.status).toBe(200);
      expect((await endSession(one, token))?.status).toBe(204);
      expect((await read(other, token, 'own/kept'))?.status).toBe(401);
    }
  });

  it('announce to operators what the other one changed', async () => {
    const opened = await EventReader.open(
      second.installation.url,
      first.operator,
      undefined,
      'changes',
    );
    if (!(opened instanceof EventReader)) throw new Error(await opened.text());
    await opened.next('ready');
    await write('own/announced', 'announced');
    const isNamed = (): boolean => JSON.stringify(opened.received).includes('own/announced');
    await until('it is announced', () => Promise.resolve(isNamed()));
    opened.close();
  });

  it('disclose nothing after an invalidation that the other one committed', async () => {
    const pod = createPod('reader');
    for (let round = 0; round < ROUNDS; round += 1) {
      const [here, there] = round % 2 === 0 ? [first, second] : [second, first];
      const path = `own/round-${round}`;
      const policy = `/api/v1/policies/round-${round}`;
      await write(path, `value-${round}`);
      await first.create(`/policies/round-${round}`, policyOf(`round-${round}`, [path]));
      const token = await logInPod(there, pod);
      const reading = Array.from({ length: READERS }, () => hammer(there, token, path));
      await until('it is read', () => Promise.resolve(okReads(path) > 20 * READERS));
      const asked = { kind: 'narrow', path, session: 'operator', value: undefined } as const;
      const invalidated = await history.run(asked, () =>
        here.installation.call('PUT', policy, {
          token: here.operator,
          body: policyOf(`round-${round}`, ['own/nothing']),
          headers: { 'if-match': '*' },
        }),
      );
      expect(invalidated?.status).toBe(200);
      await Promise.all(reading);
    }
    const log = await entries();
    const overtaken = history.operations
      .filter(({ kind }) => kind === 'narrow')
      .flatMap(({ path, requestId }) => {
        const [invalidation] = log.filter((entry) => entry.requestId === requestId);
        return log.filter(
          ({ action, outcome, path: of, committedAt }) =>
            action === 'secret.read' &&
            outcome === 'ok' &&
            of === path &&
            committedAt > invalidation!.committedAt,
        );
      });
    expect(overtaken).toEqual([]);
  });

  it('revoke everything of an ended pod once, although both see its end', async () => {
    const pods = Array.from({ length: PODS }, (_, n) => createPod(`gone-${n}`));
    const held = await Promise.all(
      pods.map(async (pod, n) => {
        const [here, there] = n % 2 === 0 ? [first, second] : [second, first];
        const token = await logInPod(here, pod);
        expect((await read(here, token, 'own/kept'))?.status).toBe(200);
        expect((await read(there, token, 'own/kept'))?.status).toBe(200);
        return token;
      }),
    );
    for (const pod of pods) kube.pods.remove(pod);
    for (const broker of [first, second]) {
      await until('all sessions are dead', async () => {
        const answers = await Promise.all(held.map((token) => broker.read(token, 'own/kept')));
        return answers.every(({ status }) => status === 401);
      });
    }
    const uids = pods.map(({ metadata }) => metadata.uid);
    const ended = (await entries())
      .filter(({ action }) => action === 'pod.end')
      .map(({ pod, count }) => ({ uid: (pod as { readonly uid: string }).uid, count }))
      .filter(({ uid }) => uids.includes(uid));
    expect(ended.map(({ uid }) => uid).toSorted()).toEqual(uids.toSorted());
    for (const { count } of ended) expect(count).toBeGreaterThanOrEqual(1);
  });

  it('expire everything once, although both check for it', async () => {
    const tokens = await Promise.all(
      Array.from({ length: PODS }, (_, n) =>
        (n % 2 === 0 ? first : second).logIn({ pod: `b-${n}` }),
      ),
    );
    for (const broker of [first, second]) {
      for (const token of tokens)
        expect((await read(broker, token, 'own/brief'))?.status).toBe(200);
    }
    const brief = { exp: Math.floor(Date.now() / 1000) + 4 };
    const short = await Promise.all(
      Array.from({ length: PODS }, (_, n) =>
        logInPod(n % 2 === 0 ? first : second, createPod(`short-${n}`), brief),
      ),
    );
    // Both wake up at one moment, and find the same work.
    const both = [first, second].map(({ installation }) => installation);
    for (const installation of both) installation.signal('SIGSTOP');
    await until('their time is over', () => Promise.resolve(Date.now() > brief.exp * 1000));
    for (const installation of both) installation.signal('SIGCONT');
    await until('leases and sessions have expired', async () => {
      const log = await entries();
      const leases = log.filter(({ action }) => action === 'lease.expire');
      const sessions = log.filter(({ action, cause }) => {
        return action === 'session.end' && cause === 'expired';
      });
      return leases.length >= PODS && sessions.length >= PODS;
    });
    for (const broker of [first, second]) {
      const answers = await Promise.all(short.map((token) => read(broker, token, 'own/kept')));
      expect(new Set(answers.map((answer) => answer?.status))).toEqual(new Set([401]));
    }
  });

  it('continue alone when the other is killed, take over its work, and share again when it returns (F18)', async () => {
    await Promise.all([first.installation.stop(), second.installation.stop()]);
    const clock = { epoch: Date.now(), speed: SPEED };
    await first.startWithFailpoints(clock);
    await second.startWithFailpoints(clock);
    const session = await first.logIn({ pod: 'survivor' });
    expect((await read(second, session, 'own/kept'))?.status).toBe(200);
    expect((await first.order(session, 'db/app', 'kept')).status).toBe(201);
    const kept = vault.tokens.size;

    await first.arm('credential.prepared.after_commit', 'kill');
    await expect(first.order(session, 'db/app', 'lost')).rejects.toThrow();
    expect(await first.installation.ended()).toBeNull();
    expect(vault.tokens.size).toBeGreaterThan(kept);

    for (let n = 0; n < 50; n += 1)
      expect((await read(second, session, 'own/kept'))?.status).toBe(200);
    expect((await second.order(session, 'db/app', 'kept')).status).toBe(201);
    const size = await second.metric('quaymaster_audit_entries');
    await until('it integrates the log', async () => {
      return (await second.metric('quaymaster_audit_entries')) > size;
    });
    await until('the order that was lost is revoked', () =>
      Promise.resolve(vault.tokens.size === kept),
    );

    await first.startWithFailpoints(clock);
    expect((await read(first, session, 'own/kept'))?.status).toBe(200);
    expect((await endSession(first, session))?.status).toBe(204);
    expect((await read(second, session, 'own/kept'))?.status).toBe(401);
    await until('everything that it held is revoked, and recorded', async () => {
      return vault.leases.size === 0 && ends(await entries(), 'credential', REVOKED).length >= 2;
    });
  });

  it('keep one valid log, in which everything ends once', async () => {
    expect(await second.installation.stop()).toBe(0);
    for (const broker of [first, second]) {
      const report = await broker.verifiedLog();
      expect(report).toContain('verified: ');
      expect(report).toContain('anchored');
    }
    const log = await entries();
    const once = (counts: readonly number[], atLeast: number): void => {
      expect(counts.length).toBeGreaterThanOrEqual(atLeast);
      expect(counts.filter((count) => count !== 1)).toEqual([]);
    };
    once(ends(log, 'lease', ['lease.revoke', 'lease.expire']), 2 * PODS);
    once(ends(log, 'session', ['session.end']), 2 * PODS);
    once(ends(log, 'credential', REVOKED), 2);
    const starts = log.filter(({ action }) => action === 'broker.start');
    expect(new Set(starts.map(({ writer }) => writer)).size).toBe(starts.length);
    const last = new Map(
      history.operations
        .filter(({ kind }) => kind === 'write')
        .map(({ path, value }) => [path, value ?? '']),
    );
    expect(history.violations(log, last)).toEqual([]);
    expect(history.count('unknown')).toBe(0);
  });
});
