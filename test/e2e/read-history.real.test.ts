import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import type { Running } from '../kit/backends/footprint.ts';
import { createDatabase, startPostgres, type Postgres } from '../kit/backends/postgres.ts';
import { checkReads } from '../kit/store/commit-history.ts';
import { CommitRecorder } from '../kit/store/commit-order.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';

/** The actions of each operator; `ROUNDS` in the environment multiplies them. Readers read as long as the operators work. */
const OPERATIONS = 250 * Number(process.env['ROUNDS'] ?? 1);
const READERS = 5;
const PATHS = ['own/a', 'own/b', 'own/c'];
const ACCOUNTS = ['red', 'blue'];

let postgres: Running<Postgres>;
let commits: CommitRecorder;
let brokers: readonly PreparedBroker[] = [];

/** Random, and the same for the same seed: a failure names the seed. */
function randomOf(seed: number): <T>(choices: readonly T[]) => T {
  let state = seed;
  return (choices) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return choices[(state % 7919) % choices.length] as (typeof choices)[number];
  };
}

function policyFor(account: string, paths: readonly string[]): object {
  return {
    apiVersion: 'quaymaster.dev/v1',
    kind: 'AccessPolicy',
    metadata: { name: account },
    spec: {
      subjects: [{ clusters: ['c1'], namespaces: ['prod'], serviceAccounts: [account] }],
      rules: [{ name: 'some', effect: 'allow', paths, capabilities: ['read'] }],
    },
  };
}

type Pick = ReturnType<typeof randomOf>;

/** Logs in, reads as fast as it can, and logs in again when its session has ended. */
async function reader(pick: Pick, index: number, isOver: () => boolean): Promise<void> {
  const pod = { serviceAccount: pick(ACCOUNTS), pod: `pod-${index}` };
  let token = await pick(brokers)
    .logIn(pod)
    .catch(() => '');
  while (!isOver()) {
    const broker = pick(brokers);
    const { status } = await broker.read(token, pick(PATHS));
    // A revoked version is refused to this session alone. In quarantine the login is refused.
    if (status === 401 || (status === 403 && pick([true, false])))
      token = await pick(brokers)
        .logIn(pod)
        .catch(() => token);
    if (pick(Array.from({ length: 40 }, (_, at) => at)) === 0)
      await broker.installation.call('DELETE', '/api/v1/sessions/self', { token });
  }
}

/** Removes policies, versions and leases, at either broker. */
async function operator(pick: Pick): Promise<void> {
  for (let n = 0; n < OPERATIONS; n += 1) {
    const { installation, operator: token } = pick(brokers);
    const account = pick(ACCOUNTS);
    const path = pick(PATHS);
    await new Promise((resolve) => setTimeout(resolve, pick([0, 5, 20, 40])));
    const send = (method: string, target: string, body: object, headers = {}): Promise<unknown> =>
      installation.call(method, `/api/v1${target}`, { token, body, headers });
    await pick([
      () =>
        send('PUT', `/policies/${account}`, policyFor(account, pick([PATHS, [path]])), {
          'if-match': '*',
        }),
      () => send('PUT', `/secrets/${path}`, { data: { value: `v-${n}` } }),
      () => pick([true, false, false]) && quarantine(installation, token, account),
      () => send('POST', '/leases:revoke', { path }),
      () => send('POST', '/leases:revoke', { workload: `k8s://c1/prod/${account}` }),
    ])();
  }
}

/** Quarantines for a moment only: a history of refusals alone would prove nothing. */
async function quarantine(
  installation: PreparedBroker['installation'],
  token: string,
  account: string,
): Promise<void> {
  const workload = `k8s://c1/prod/${account}`;
  const body = { kind: 'workload', workload, reason: 'history' };
  const { json } = await installation.call('POST', '/api/v1/quarantines', { token, body });
  const { id } = (json['quarantine'] ?? {}) as { readonly id?: string };
  await installation.call('DELETE', `/api/v1/quarantines/${id ?? ''}?reason=over`, { token });
}

describeWith(['postgres'], 'two brokers on one PostgreSQL', () => {
  beforeAll(async () => {
    // A server of its own, which reports the order of its commits.
    postgres = await startPostgres({ settings: { track_commit_timestamp: 'on' } });
    const { connectionString } = await createDatabase(postgres);
    commits = await CommitRecorder.start(connectionString);
    const first = await PreparedBroker.start({
      files: { dsn: connectionString },
      config: (directory) => ({
        store: { type: 'postgres', connectionStringFile: `${directory}/dsn` },
      }),
      secrets: Object.fromEntries(PATHS.map((path) => [path, { value: 'v' }])),
      documents: Object.fromEntries(
        ACCOUNTS.map((account) => [`/policies/${account}`, policyFor(account, PATHS)]),
      ),
    });
    const second = await first.replica();
    await second.installation.start();
    brokers = [first, second];
    // The policy that allows everything would hide the removals.
    await first.installation.call('DELETE', '/api/v1/policies/all', {
      token: first.operator,
      headers: { 'if-match': '*' },
    });
  });
  afterAll(async () => {
    for (const broker of brokers) await broker.remove();
    await commits.stop();
    await postgres.stop();
  });

  it('commit no read after an invalidation that it should have seen', async () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
    let isOver = false;
    const reading = Array.from({ length: READERS }, (_, index) =>
      reader(randomOf(seed + index), index, () => isOver),
    );
    const working = [operator(randomOf(seed + READERS)), operator(randomOf(seed + READERS + 1))];
    await Promise.all(working).finally(() => (isOver = true));
    await Promise.all(reading);
    const { overtaken, ...counts } = checkReads(await commits.read());
    expect({ seed, overtaken }).toEqual({ seed, overtaken: [] });
    // Otherwise the history would prove nothing.
    expect(counts.reads).toBeGreaterThan(OPERATIONS / 4);
    expect(counts.invalidations).toBeGreaterThan(OPERATIONS / 4);
    expect(counts.close).toBeGreaterThan(0);
  });
});
