import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { clusterDocumentsConfigSchema } from '../../../../src/features/custom-resources/config.ts';
import { systemClock } from '../../../../src/process/clock.ts';
import type { Clock } from '../../../../src/ports/clock.ts';
import { ClusterDocumentsWork } from '../../../../src/features/custom-resources/cluster-worker.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import type { KubernetesApi, KubernetesRequest } from '../../../../src/ports/kubernetes-api.ts';
import { TestBroker } from '../../../kit/broker/test-broker.ts';
import { eventually } from '../../../kit/time/eventually.ts';

type Lines = AsyncIterable<unknown> & { push(line: unknown): void };

/** The lines of one watch, which ends with its signal. */
function linesUntil(signal: AbortSignal): Lines {
  const waiting: unknown[] = [];
  let wake = (): void => undefined;
  signal.addEventListener('abort', () => wake());
  return {
    push(line) {
      waiting.push(line);
      wake();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (waiting.length > 0) yield waiting.shift();
        if (signal.aborted) throw new BrokerError('ERR_PROVIDER_TIMEOUT');
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

/** An API server that holds objects of the group in memory. */
class ScriptedApi implements KubernetesApi {
  readonly server = 'https://kube.test:6443';
  readonly objects = new Map<string, object[]>();
  readonly patched: KubernetesRequest[] = [];
  readonly asked = new Set<string>();
  readonly watches = new Map<string, Lines>();
  refusal: BrokerError | undefined;
  /** UID of each namespace; undefined: it does not exist. */
  uidOf: (namespace: string) => string | undefined = (namespace) => `uid-of-${namespace}`;

  call(request: KubernetesRequest): Promise<unknown> {
    if (request.path[2] === 'namespaces') {
      const uid = this.uidOf(request.path[3] ?? '');
      if (uid === undefined) return Promise.reject(new BrokerError('ERR_NOT_FOUND'));
      return Promise.resolve({ metadata: { uid } });
    }
    const plural = request.path[3] === 'namespaces' ? request.path[5]! : request.path[3]!;
    if (request.method === 'PATCH') {
      this.patched.push(request);
      return this.refusal === undefined ? Promise.resolve({}) : Promise.reject(this.refusal);
    }
    this.asked.add(plural);
    const items = this.objects.get(plural) ?? [];
    return Promise.resolve({ metadata: { resourceVersion: '1' }, items });
  }

  stream({ path }: Pick<KubernetesRequest, 'path'>, signal: AbortSignal): Promise<Lines> {
    const lines = linesUntil(signal);
    this.watches.set(path[3]!, lines);
    return Promise.resolve(lines);
  }

  close(): void {
    // It holds no connection.
  }
}

function access(name: string, path = 'app/pay/**'): object {
  const metadata = { name, namespace: 'pay', uid: `uid-${name}`, generation: 1 };
  const subject = { clusters: ['c1'], namespaces: ['pay'], serviceAccounts: ['*'] };
  const rule = { effect: 'allow', paths: [path], capabilities: ['read'] };
  return {
    metadata: { ...metadata, resourceVersion: '2' },
    spec: { subjects: [subject], rules: [rule] },
  };
}

let broker: TestBroker;
let api: ScriptedApi;
let works: ClusterDocumentsWork[];
beforeEach(async () => {
  broker = await TestBroker.open();
  await broker.seed();
  api = new ScriptedApi();
  works = [];
});
afterEach(async () => {
  for (const work of works) await work.stop();
  await broker.close();
});

function start(owner = 'a', config: object = {}, clock: Clock = systemClock): ClusterDocumentsWork {
  const namespaces = [{ name: 'pay', prefixes: ['app/pay'] }];
  const source = { cluster: 'c1', connection: 'home', namespaces, ...config };
  const [parsed] = clusterDocumentsConfigSchema.parse([source]);
  const connections = new Map([['home', { type: 'kubernetes' as const, api }]]);
  const parts = { ...broker.parts, clock };
  const work = new ClusterDocumentsWork(parsed!, false, { parts, connections, trail: { owner } });
  works.push(work);
  work.start();
  return work;
}

const isThere = (name: string): boolean =>
  broker.parts.catalog.find('policy', `c1.pay.${name}`) !== undefined;

/** Names of the policies that allow something. */
const grantors = (): readonly string[] =>
  [...broker.parts.catalog.policies.policies]
    .filter(([name, { rules }]) => name.startsWith('c1.pay.') && rules.length > 0)
    .map(([name]) => name.slice('c1.pay.'.length))
    .sort();

const waitFor = (what: string, holds: () => boolean): Promise<true> =>
  eventually(what, () => Promise.resolve(holds() || undefined));

describe('the copy of custom resources', () => {
  it('follows a list, the events of its watch and deletions', async () => {
    api.objects.set('accesspolicies', [access('listed')]);
    const work = start();
    await waitFor('the listed policy', () => isThere('listed'));
    const watch = await eventually('the watch', () =>
      Promise.resolve(api.watches.get('accesspolicies')),
    );
    watch.push({ type: 'ADDED', object: access('added') });
    await waitFor('the added policy', () => isThere('added'));
    await waitFor('both counted', () => work.count('accepted') === 2);
    watch.push({ type: 'DELETED', object: access('listed') });
    await waitFor('the deletion', () => !isThere('listed'));
    expect(isThere('added')).toBe(true);
    expect(api.patched.map(({ path }) => path.slice(3).join('/'))).toEqual([
      'namespaces/pay/accesspolicies/listed/status',
      'namespaces/pay/accesspolicies/added/status',
    ]);
  });

  it('deletes what was deleted while no broker watched, and nothing of others', async () => {
    api.objects.set('accesspolicies', [access('kept'), access('gone')]);
    await stopAfter(start(), () => isThere('kept') && isThere('gone'));
    api.objects.set('accesspolicies', [access('kept')]);
    start('b');
    await waitFor('the deletion', () => !isThere('gone'));
    expect(isThere('kept')).toBe(true);
    expect(broker.parts.catalog.find('policy', 'all')).toBeDefined();
  });

  it('deletes nothing if the list fails, because the definition of the kind is gone perhaps', async () => {
    api.objects.set('accesspolicies', [access('kept')]);
    await stopAfter(start(), () => isThere('kept'));
    const call = api.call.bind(api);
    let failed = 0;
    api.call = (request) => {
      if (request.method !== 'GET' || request.path[0] !== 'apis') return call(request);
      failed += 1;
      return Promise.reject(new BrokerError('ERR_NOT_FOUND'));
    };
    start('b');
    await waitFor('failed lists', () => failed >= 4);
    expect(isThere('kept')).toBe(true);
  });

  it('keeps documents when the list of a restored API server lacks many, until the objects return (CR07)', async () => {
    const names = Array.from({ length: 12 }, (_, n) => `p${n}`);
    api.objects.set(
      'accesspolicies',
      names.map((name) => access(name)),
    );
    await stopAfter(start(), () => names.every(isThere));
    api.objects.set('accesspolicies', []);
    const second = start('b');
    await waitFor('the hold', () => second.held === 12);
    expect(names.every(isThere)).toBe(true);
    await second.stop();
    api.objects.set(
      'accesspolicies',
      names.map((name) => access(name)),
    );
    const third = start('c');
    await waitFor('the return', () => third.held === 0 && third.count('accepted') === 12);
  });

  it.each([
    ['few', 2],
    ['more than may be deleted at once', 12],
  ])(
    'grants nothing by %s policies of a namespace that was replaced while no broker watched (CR11)',
    async (_what, count) => {
      const names = Array.from({ length: count }, (_, n) => `p${n}`);
      api.objects.set(
        'accesspolicies',
        names.map((name) => access(name)),
      );
      await stopAfter(start(), () => names.every(isThere));
      expect(grantors()).toEqual([...names].sort());
      api.uidOf = () => 'uid-of-the-next';
      api.objects.set('accesspolicies', [access('own')]);
      const next = start('b');
      // As a start does it, before the first login.
      await next.checkNamespaces();
      expect(grantors().filter((name) => name !== 'own')).toEqual([]);
      await waitFor('the own policy', () => grantors().includes('own'));
      await systemClock.sleep(2_500);
      expect(grantors()).toEqual(['own']);
      expect(next.held).toBe(count > 10 ? 12 : 0);
    },
  );

  it('grants nothing by policies of a namespace that was replaced while its only resource was being deleted (CR11)', async () => {
    const names = Array.from({ length: 12 }, (_, n) => `p${n}`);
    api.objects.set(
      'accesspolicies',
      names.map((name) => access(name)),
    );
    const work = start();
    await waitFor('the copies', () => names.every(isThere) && work.count('accepted') === 12);
    const watch = api.watches.get('accesspolicies');
    api.uidOf = () => 'uid-of-the-next';
    for (const name of names) watch?.push({ type: 'DELETED', object: access(name) });
    watch?.push({ type: 'ADDED', object: access('own') });
    await waitFor('the suspension', () => work.held === 12 && grantors().join() === 'own');
  });

  it('keeps the policies of a namespace that it could not look up, and compares it later', async () => {
    api.objects.set('accesspolicies', [access('old')]);
    await stopAfter(start(), () => isThere('old'));
    api.uidOf = () => {
      throw new BrokerError('ERR_PROVIDER_UNAVAILABLE');
    };
    const work = start('b');
    await work.checkNamespaces();
    expect(grantors()).toEqual(['old']);
    api.objects.set('accesspolicies', []);
    api.uidOf = () => 'uid-of-the-next';
    await waitFor('the deletion', () => !isThere('old'));
  });

  it('asks for configured kinds only, and deletes documents of others', async () => {
    api.objects.set('accesspolicies', [access('shop')]);
    await stopAfter(start(), () => isThere('shop'));
    expect([...api.asked].sort()).toEqual(['accesspolicies', 'secretdefinitions']);
    api.asked.clear();
    start('b', { namespaces: [], clusterKinds: ['ResponseRule'] });
    await waitFor('the deletion', () => !isThere('shop'));
    expect([...api.asked]).toEqual(['responserules']);
  });

  it('is done by one broker, and taken over when it stops', async () => {
    api.objects.set('accesspolicies', [access('shop')]);
    const first = start('a');
    await waitFor('the first broker', () => first.count('accepted') === 1);
    const second = start('b');
    const written = api.patched.length;
    await systemClock.sleep(2_500);
    expect([second.count('accepted'), api.patched.length]).toEqual([0, written]);
    await first.stop();
    await waitFor('the second broker', () => second.count('accepted') === 1);
  });

  it('copies nothing that it sees after its claim expired, until it has the claim again (CR09)', async () => {
    api.objects.set('accesspolicies', [access('shop')]);
    const late = { ms: 0 };
    const clock = { ...systemClock, now: () => systemClock.now() + late.ms };
    const work = start('a', {}, clock);
    await waitFor('the copy', () => work.count('accepted') === 1);
    const before = api.watches.get('accesspolicies');
    late.ms = 31_000;
    before?.push({ type: 'ADDED', object: access('stale') });
    await waitFor('a new watch', () => api.watches.get('accesspolicies') !== before);
    await waitFor('the copy again', () => work.count('accepted') === 1);
    const written = api.patched.map(({ path }) => path.at(-2));
    expect([written.includes('shop'), written.includes('stale')]).toEqual([true, false]);
  });

  it('counts an object whose status cannot be written, and keeps its document', async () => {
    api.refusal = new BrokerError('ERR_PROVIDER_DENIED');
    api.objects.set('accesspolicies', [access('shop'), access('bank', 'app/bank/x')]);
    const work = start();
    await waitFor('two failures', () => work.count('failed') === 2);
    expect([isThere('shop'), isThere('bank')]).toEqual([true, false]);
    api.refusal = undefined;
    await waitFor('the retry', () => work.count('accepted') === 1 && work.count('refused') === 1);
  });

  async function stopAfter(work: ClusterDocumentsWork, holds: () => boolean): Promise<void> {
    await waitFor('the first copy', holds);
    await work.stop();
  }
});
