import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describeWith } from '../../kit/backends/backends.ts';
import { createDatabase, type TestDatabase } from '../../kit/backends/postgres.ts';
import { until } from '../../kit/backends/until.ts';
import type { Answer } from '../../kit/broker/installation.ts';
import { LOAD_LIMITS } from '../../kit/broker/broker-load.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';

/** Requests of each client; `ROUNDS` in the environment multiplies them. */
const REQUESTS = 120 * Number(process.env['ROUNDS'] ?? 1);
const CLIENTS = 6;
const PATHS = ['own/a', 'own/b', 'own/c'];
const run = promisify(execFile);

type Kind = 'initial' | 'read' | 'write' | 'create' | 'swap' | 'remove';
type Outcome = 'ok' | 'refused' | 'unknown';

/** A request to one object, as the checker reads it: an object has a value, or does not exist. */
interface Line {
  readonly object: string;
  readonly kind: Kind;
  readonly value?: string;
  readonly expected?: string;
  readonly outcome?: Outcome;
}

type Pick = <T>(choices: readonly T[]) => T;

/** Random, and the same for the same seed: a failure names the seed. */
function randomOf(seed: number): Pick {
  let state = seed;
  return (choices) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return choices[(state >>> 8) % choices.length] as (typeof choices)[number];
  };
}

/** Reads the outcome of a change from its answer. Undefined: the broker did nothing, and says so. */
function outcomeOf(answer: Answer | undefined, refusals: readonly number[]): Outcome | undefined {
  if (answer === undefined || answer.json['code'] === 'ERR_OUTCOME_UNKNOWN') return 'unknown';
  if (answer.status < 300) return 'ok';
  return refusals.includes(answer.status) ? 'refused' : undefined;
}

function isRefused(error: unknown): boolean {
  const { cause } = error as { readonly cause?: { readonly code?: string } };
  return cause?.code === 'ECONNREFUSED';
}

function codeIn({ json: { code } }: Answer): string {
  return typeof code === 'string' ? code : 'ok';
}

describeWith(
  ['postgres', 'goprograms'],
  'two brokers on one PostgreSQL',
  ({ postgres, goprograms }) => {
    const checker = join(goprograms.program, 'linearizability');
    let database: TestDatabase;
    let brokers: readonly PreparedBroker[] = [];
    const lines: string[] = [];
    const answers = new Map<string, number>();
    /** Sessions by name. Clients share them, and end them. */
    const sessions = new Map<string, { readonly token: string; readonly account: string }>();
    let values = 0;

    beforeAll(async () => {
      database = await createDatabase(postgres);
      const first = await PreparedBroker.start({
        files: { dsn: database.connectionString },
        config: (directory) => ({
          limits: LOAD_LIMITS,
          store: { type: 'postgres', connectionStringFile: `${directory}/dsn` },
        }),
        documents: { '/policies/api': policyOf('api'), '/policies/web': policyOf('web') },
      });
      const second = await first.replica();
      await second.installation.start();
      brokers = [first, second];
      // It allows everything, and would hide the policy that the clients create and delete.
      const { installation, operator: token } = first;
      const headers = { 'if-match': '*' };
      await installation.call('DELETE', '/api/v1/policies/all', { token, headers });
      for (const account of ['api', 'web'])
        record({ object: `policy ${account}`, kind: 'initial', value: 'allows' });
    });
    afterAll(async () => {
      for (const broker of brokers.toReversed()) await broker.remove();
      await database.drop();
    });

    function policyOf(account: string): object {
      return {
        apiVersion: 'quaymaster.dev/v1',
        kind: 'AccessPolicy',
        metadata: { name: account },
        spec: {
          subjects: [{ clusters: ['c1'], namespaces: ['prod'], serviceAccounts: [account] }],
          rules: [{ name: 'own', effect: 'allow', paths: ['own/**'], capabilities: ['read'] }],
        },
      };
    }

    function record(line: Line, client = 0, begin = 0n): void {
      const end = process.hrtime.bigint();
      lines.push(
        JSON.stringify({ ...line, client, begin: Number(begin - START), end: Number(end - START) }),
      );
    }
    const START = process.hrtime.bigint();

    /** Sends a request. Undefined: it may have reached the broker, and its outcome is unknown. */
    async function send(
      broker: PreparedBroker,
      ...[method, path, request]: Parameters<PreparedBroker['installation']['call']>
    ): Promise<Answer | undefined | 'not sent'> {
      const answer = await broker.installation
        .call(method, path, { token: broker.operator, ...request })
        .catch((error: unknown) => (isRefused(error) ? ('not sent' as const) : undefined));
      if (typeof answer !== 'object') await new Promise((done) => setTimeout(done, 25));
      const said = typeof answer === 'object' ? codeIn(answer) : 'no answer';
      answers.set(said, (answers.get(said) ?? 0) + 1);
      return answer;
    }

    async function change(
      client: number,
      broker: PreparedBroker,
      line: Line,
      refusals: readonly number[],
      ...call: Parameters<PreparedBroker['installation']['call']>
    ): Promise<void> {
      const begin = process.hrtime.bigint();
      const answer = await send(broker, ...call);
      if (answer === 'not sent') return;
      const outcome = outcomeOf(answer, refusals);
      if (outcome !== undefined) record({ ...line, outcome }, client, begin);
    }

    /** The last version of each path that a client read, with its value. */
    type Seen = Map<string, { readonly version: string; readonly value: string }>;

    async function read(client: number, pick: Pick, seen: Seen): Promise<void> {
      const [broker, path] = [pick(brokers), pick(PATHS)];
      const [name, session] = pick([...sessions]);
      const begin = process.hrtime.bigint();
      const { token, account } = session;
      const answer = await send(broker, 'GET', `/api/v1/secrets/${path}`, { token });
      if (typeof answer !== 'object' || ![200, 401, 403, 404].includes(answer.status)) return;
      const { status, json } = answer;
      const note = (object: string, value: string, isThere: boolean): void =>
        record({ object, kind: 'read', value, outcome: isThere ? 'ok' : 'refused' }, client, begin);
      note(`session ${name}`, 'open', status !== 401);
      if (status === 401) return void sessions.delete(name);
      note(`policy ${account}`, 'allows', status !== 403);
      if (status === 403) return;
      const { value = '' } = (json['data'] ?? {}) as { readonly value?: string };
      note(path, value, status === 200);
      if (status === 200) seen.set(path, { version: String(json['version']), value });
    }

    async function write(client: number, pick: Pick, seen: Seen): Promise<void> {
      const [broker, object] = [pick(brokers), pick(PATHS)];
      const target = `/api/v1/secrets/${object}`;
      const value = `v-${(values += 1)}`;
      const last = seen.get(object);
      const put = (line: Line, headers: Record<string, string>): Promise<void> =>
        change(client, broker, line, [412], 'PUT', target, { body: { data: { value } }, headers });
      await pick([
        () => put({ object, kind: 'write', value }, {}),
        () => put({ object, kind: 'create', value }, { 'if-none-match': '*' }),
        () =>
          last &&
          put(
            { object, kind: 'swap', value, expected: last.value },
            { 'if-match': `"${last.version}"` },
          ),
        () => change(client, broker, { object, kind: 'remove' }, [404], 'DELETE', target),
      ])();
    }

    async function logIn(pick: Pick): Promise<void> {
      const account = pick(['api', 'web']);
      const name = `${account}-${(values += 1)}`;
      const pod = { serviceAccount: account, pod: name };
      const token = await pick(brokers)
        .logIn(pod)
        .catch(() => undefined);
      if (token === undefined) return;
      record({ object: `session ${name}`, kind: 'initial', value: 'open' });
      sessions.set(name, { token, account });
    }

    async function endSession(client: number, pick: Pick): Promise<void> {
      const [name] = pick([...sessions]);
      const body = { by: 'pod', cluster: 'c1', pod: `uid-of-${name}` };
      const line = { object: `session ${name}`, kind: 'write', value: '' } as const;
      await change(client, pick(brokers), line, [], 'POST', '/api/v1/sessions:end', { body });
    }

    async function changePolicy(client: number, pick: Pick): Promise<void> {
      const [object, target] = ['policy web', '/api/v1/policies/web'];
      const broker = pick(brokers);
      const body = policyOf('web');
      await pick([
        () =>
          change(
            client,
            broker,
            { object, kind: 'create', value: 'allows' },
            [412],
            'PUT',
            target,
            {
              body,
              headers: { 'if-none-match': '*' },
            },
          ),
        () =>
          change(client, broker, { object, kind: 'remove' }, [404, 412], 'DELETE', target, {
            headers: { 'if-match': '*' },
          }),
      ])();
    }

    async function client(number: number, pick: Pick): Promise<void> {
      const seen: Seen = new Map();
      for (let n = 0; n < REQUESTS; n += 1) {
        if (sessions.size < 8) await logIn(pick);
        if (sessions.size === 0) continue;
        const kind = pick(['read', 'read', 'read', 'write', 'write', 'end', 'policy', 'read']);
        if (kind === 'read') await read(number, pick, seen);
        if (kind === 'write') await write(number, pick, seen);
        if (kind === 'end') await endSession(number, pick);
        if (kind === 'policy') await changePolicy(number, pick);
      }
    }

    /** Kills each broker once, when a third and two thirds of the requests are recorded. */
    async function killBoth(): Promise<void> {
      for (const [round, { installation }] of brokers.entries()) {
        const enough = ((round + 1) * CLIENTS * REQUESTS) / 3;
        await until('many requests are answered', () => Promise.resolve(lines.length >= enough));
        await installation.stop('SIGKILL');
        await installation.start();
      }
    }

    it('serve every acknowledged change and no other, also after kills', async () => {
      const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
      const clients = Array.from({ length: CLIENTS }, (_, n) => client(n, randomOf(seed + n)));
      await Promise.all([killBoth(), ...clients]);
      const { installation } = brokers[0] as PreparedBroker;
      const history = await installation.write('history', lines.join('\n'));
      const { stdout } = await run(checker, [history]).catch(
        (error: unknown) => error as { readonly stdout: string },
      );
      const [ok = 0, busy = 0] = ['ok', 'ERR_BUSY'].map((code) => answers.get(code));
      expect({ seed, stdout, busy }).toEqual({
        seed,
        stdout: expect.stringMatching(/^\d+ requests to \d+ objects are linearizable\n$/),
        busy: 0,
      });
      // Otherwise the history would prove nothing.
      expect(ok).toBeGreaterThan(REQUESTS);
    }, 180_000);

    it('read on each what the other one has just acknowledged', async () => {
      const [first, second] = brokers as [PreparedBroker, PreparedBroker];
      const token = await first.logIn();
      const statuses: number[] = [];
      for (let n = 0; n < 20; n += 1) {
        const [writer, reader] = n % 2 === 0 ? [first, second] : [second, first];
        const path = `own/new-${n}`;
        const before = await reader.read(token, path);
        await writer.write(path, { value: 'new' });
        statuses.push(before.status, (await reader.read(token, path)).status);
      }
      expect(statuses).toEqual(Array.from({ length: 20 }, () => [404, 200]).flat());
    });

    it('answer every reader and writer of one secret that all of them use', async () => {
      const [first] = brokers as [PreparedBroker];
      const token = await first.logIn();
      await first.write('own/hot', { value: 'hot' });
      const use = async (client: number): Promise<readonly number[]> => {
        const statuses: number[] = [];
        for (let n = 0; n < 12; n += 1) {
          const { installation, operator } = brokers[(client + n) % 2] as PreparedBroker;
          const path = '/api/v1/secrets/own/hot';
          const body = { data: { value: `${client}-${n}` } };
          const { status } = await (client % 2 === 0
            ? installation.call('PUT', path, { token: operator, body })
            : installation.call('GET', path, { token }));
          statuses.push(status);
        }
        return statuses;
      };
      const statuses = await Promise.all(Array.from({ length: 8 }, (_, client) => use(client)));
      expect(statuses.flat().filter((status) => status >= 300)).toEqual([]);
    });
  },
);
