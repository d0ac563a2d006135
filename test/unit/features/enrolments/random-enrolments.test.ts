import { afterEach, expect, it } from '@jest/globals';
import {
  createCode,
  endEnrolment,
  listEnrolments,
} from '../../../../src/features/enrolments/enrolments.ts';
import { joinCluster } from '../../../../src/features/enrolments/join-cluster.ts';
import { renewalWorker } from '../../../../src/features/enrolments/renewal.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { isEnrolling } from '../../../../src/domain/identity/cluster.ts';
import { newToken } from '../../../../src/crypto/random/token.ts';
import { allRows } from '../../../../src/ports/queries.ts';
import type { Parts } from '../../../../src/features/feature.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import { cluster, TestBroker } from '../../../kit/broker/test-broker.ts';
import { storedEntries } from '../../../kit/store/store-diff.ts';
import { IssuingServers } from '../../../kit/fakes/issuing-servers.ts';

const SEEDS = Array.from({ length: 15 }, (_, at) => at + 1);
const STEPS = 150;
/** Counts of all orders together, so that a test that reaches nothing fails. */
const reached = { joins: 0, renewals: 0, ends: 0 };
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NAMES = ['east', 'west'];
const ACCOUNT = 'quaymaster/quaymaster-logins';
const SERVERS = ['https://a.test', 'https://b.test'];

let broker: TestBroker;
let peer: TestBroker;
afterEach(async () => {
  await peer.leave();
  await broker.close();
});

/** Numbers below a bound, the same in every run of a seed. */
function numbers(seed: number): (below: number) => number {
  let state = seed * 7_919;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
}

interface World {
  readonly servers: IssuingServers;
  readonly root: LiveOperator;
  readonly next: (below: number) => number;
  /** Codes that were ever created, with the cluster that each is for. */
  readonly codes: { readonly code: string; readonly cluster: string; readonly endsAt: number }[];
  /** Tokens with which each code succeeded. */
  readonly uses: Map<string, Set<string>>;
  /** Requests to API servers that each code caused. */
  readonly asked: Map<string, number>;
  /** Tokens that insiders of the clusters have. */
  readonly tokens: string[];
}

const parts = (of: TestBroker, { servers }: World): Parts => ({
  ...of.parts,
  openDeclared: servers.open,
});

async function world(seed: number): Promise<World> {
  broker = await TestBroker.open();
  const root = await broker.operator('root', [{ role: 'admin' }]);
  peer = await broker.peer();
  const next = numbers(seed);
  const servers = new IssuingServers(broker.clock);
  return { servers, root, next, codes: [], uses: new Map(), asked: new Map(), tokens: [] };
}

/** Refusals are results like any other. */
const tolerated = (error: unknown): undefined => {
  if (BrokerError.from(error).code !== 'ERR_INTERNAL') return undefined;
  throw error;
};

async function enroll(at: World, of: TestBroker, name: string): Promise<void> {
  const made = await createCode(parts(of, at), of.call(), at.root, name).catch(tolerated);
  if (made !== undefined) at.codes.push({ ...made, cluster: name });
}

async function join(at: World, of: TestBroker): Promise<void> {
  const { servers, next, codes } = at;
  const pick = <T>(list: readonly T[]): T => list[next(list.length)]!;
  if (next(2) === 0) {
    const { spec } = of.parts.catalog.find('cluster', pick(NAMES)) ?? {};
    const own = spec !== undefined && isEnrolling(spec) ? spec.apiServer.url : SERVERS[0]!;
    const server = next(5) === 0 ? pick(SERVERS) : own;
    at.tokens.push(servers.issue(server, next(5) === 0 ? 'other/pod' : ACCOUNT, HOUR));
  }
  const token = at.tokens.length > 0 && next(5) > 0 ? pick(at.tokens.slice(-3)) : 'h.x.y';
  const known = codes.length > 0 && next(6) > 0 ? pick(codes.slice(-2)) : undefined;
  const code = known?.code ?? newToken('qme');
  const name = next(8) === 0 ? pick(NAMES) : (known?.cluster ?? pick(NAMES));
  const { requests } = servers;
  const body = { cluster: name, code, token };
  const endsAt = await joinCluster(parts(of, at), of.call(), body).catch(tolerated);
  at.asked.set(code, (at.asked.get(code) ?? 0) + servers.requests - requests);
  if (endsAt === undefined) return;
  // A code alone enrols nothing: the token is of the account, and the code is of this cluster and has not ended.
  expect(servers.find(token)?.account).toBe(ACCOUNT);
  expect(known?.cluster).toBe(name);
  expect(known!.endsAt).toBeGreaterThan(broker.clock.now());
  reached.joins += 1;
  at.uses.set(code, (at.uses.get(code) ?? new Set()).add(token));
}

/** One round of the worker of a broker. */
async function renew(at: World, of: TestBroker): Promise<void> {
  const worker = renewalWorker(parts(of, at));
  await worker.runNow();
  await worker.stop();
}

async function step(at: World): Promise<void> {
  const { next, root, servers } = at;
  const of = next(2) === 0 ? broker : peer;
  const name = NAMES[next(NAMES.length)]!;
  const isRare = next(4) === 0;
  const actions: readonly (() => unknown)[] = [
    () => of.put(root, 'cluster', name, document(SERVERS[isRare ? 1 : 0]!)).catch(tolerated),
    () => of.put(root, 'cluster', name, document(SERVERS[isRare ? 1 : 0]!)).catch(tolerated),
    ...Array.from({ length: 7 }, () => async () => {
      if (next(2) === 0) await enroll(at, of, name);
      await join(at, next(2) === 0 ? broker : peer);
    }),
    async () => {
      await join(at, broker);
      await Promise.all([renew(at, peer), join(at, broker)]);
    },
    () => renew(at, of),
    () => renew(at, of),
    () => broker.clock.advance([MINUTE, 20 * MINUTE, HOUR, HOUR, 13 * HOUR][next(5)]!),
    () => isRare && endEnrolment(of.parts, of.call(), root, name).catch(tolerated),
    () => isRare && of.remove(root, 'cluster', name).catch(tolerated),
    () => isRare && servers.revokeAll(),
    () => void (servers.isDown = isRare),
    async () => {
      await peer.leave();
      peer = await broker.peer();
    },
  ];
  await actions[next(actions.length)]!();
}

function document(url: string): object {
  return cluster({ apiServer: { url, serviceAccount: ACCOUNT } });
}

/** The states that no order of events may reach. */
async function check(at: World): Promise<void> {
  const { servers, uses, asked } = at;
  for (const each of [broker, peer]) {
    await each.parts.state.catchUp();
    for (const { cluster: name, apiServer, clusterUid, credential } of each.parts.enrolled.all()) {
      const row = await each.parts.store.get('enrolments', { cluster: name });
      expect([row?.api_server, row?.cluster_uid]).toEqual([apiServer, clusterUid]);
      expect(row?.ends_at ?? undefined).toBe(credential?.endsAt);
      if (credential === undefined) continue;
      const issued = servers.find(credential.token.reveal());
      expect(issued?.account).toBe(ACCOUNT);
      expect(uses.size).toBeGreaterThan(0);
    }
  }
  for (const tokens of uses.values()) expect(tokens.size).toBe(1);
  for (const count of asked.values()) expect(count).toBeLessThanOrEqual(5);
  // Only a token that an insider sent was ever shown to a server that had not issued it.
  expect(servers.shownElsewhere.filter((token) => !at.tokens.includes(token))).toEqual([]);
  const rows = await broker.parts.store.list(allRows('enrolments'), { limit: 10 });
  expect(rows.length).toBeLessThanOrEqual(NAMES.length);
}

it.each(SEEDS)('a code enrols once and nothing alone, in random order %i', async (seed) => {
  const at = await world(seed);
  for (const name of NAMES) await broker.put(at.root, 'cluster', name, document(SERVERS[0]!));
  await peer.parts.state.catchUp();
  for (let count = 0; count < STEPS; count += 1) {
    await step(at);
    await check(at);
  }
  for (const name of NAMES) await broker.remove(at.root, 'cluster', name).catch(tolerated);
  await renew(at, broker);
  expect(await broker.parts.store.list(allRows('enrolments'), { limit: 10 })).toEqual([]);
  expect(await listEnrolments(broker.parts, broker.call(), at.root)).toEqual([]);
  for (const { action, outcome } of await storedEntries(broker.store.real)) {
    if (action === 'enrolment.renew') reached.renewals += 1;
    if (action === 'enrolment.end' && outcome === 'ok') reached.ends += 1;
  }
});

it('the random orders enrol, renew and end', () => {
  for (const count of Object.values(reached)) expect(count).toBeGreaterThan(10);
});
