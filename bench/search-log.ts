import { sha256Hex } from '../src/crypto/hashes/digest.ts';
import { randomId } from '../src/crypto/random/random.ts';
import { encodeActor, encodeClient, encodeLocator } from '../src/domain/audit/audit-event.ts';
import type { AuditQuery } from '../src/ports/audit-log.ts';
import type { HandClock } from '../test/kit/time/hand-clock.ts';
import type { EventFields, LogBench } from '../test/kit/log/log-bench.ts';

const PATHS = 1_000;
const PODS = 10_000;
const PATHS_OF_POD = 10;
const OPERATORS = 20;
/** One entry of so many is a write by an operator. */
const OPERATOR_EVERY = 100;

/** Pseudo-random numbers below 1 that are the same in each run (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const random = randomNumbers(27);

/** Picks a rank below `count` by Zipf's law: rank r is 1 / (r + 1) as frequent as rank 0. */
function zipf(count: number): () => number {
  const sums = new Float64Array(count);
  for (let rank = 0, sum = 0; rank < count; rank++) sums[rank] = sum += 1 / (rank + 1);
  return () => {
    const wanted = random() * sums[count - 1]!;
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (sums[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

const pathRank = zipf(PATHS);
const podRank = zipf(PODS);

interface Caller {
  readonly actor: ReturnType<typeof encodeActor>;
  /** The paths that it reads, each with its lease. */
  readonly reads: readonly { readonly path: string; readonly lease: string }[];
}

interface Pod extends Caller {
  readonly name: string;
  readonly uid: string;
  readonly session: string;
}

function pathAt(rank: number): string {
  return `team-${rank % 40}/service-${rank % 200}/secret-${rank}`;
}

function uuid(seed: string): string {
  const hex = sha256Hex(seed);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** A pod with a session, and ten paths by Zipf's law. */
export function createPod(rank: number): Pod {
  const [service, session] = [`service-${rank % 200}`, randomId('ses')];
  const suffix = sha256Hex(`pod ${rank}`).slice(0, 15);
  const name = `${service}-${suffix.slice(0, 10)}-${suffix.slice(10)}`;
  const uid = uuid(`pod ${rank}`);
  const workload = {
    cluster: 'prod',
    namespace: `team-${rank % 40}`,
    serviceAccount: service,
    serviceAccountUid: uuid(service),
    pod: { name, uid },
  };
  const paths = new Set<string>();
  while (paths.size < PATHS_OF_POD) paths.add(pathAt(pathRank()));
  const reads = [...paths].map((path) => ({ path, lease: randomId('lea') }));
  const actor = encodeActor({ kind: 'workload', workload, session }, sha256Hex);
  return { name, uid, session, actor, reads };
}

const pods = Array.from({ length: PODS }, (_, rank) => createPod(rank));
const operators = Array.from({ length: OPERATORS }, (_, i) => {
  const name = `operator-${i}`;
  const actor = encodeActor(
    { kind: 'operator', operator: name, token: randomId('opt') },
    sha256Hex,
  );
  return { name, actor };
});

/** One pod that reads much: three quarters of its reads are of three secrets. */
export const READER = { kind: 'pod', subject: `prod/${pods[0]!.uid}` } as const;

/** One entry of each 256 has this version: the least that can make a whole bundle a candidate. */
const RARE = 'rare';

/** The fields of the entry at an index: a read by one of the pods, or a write by an operator. */
export function readFields(index: number, time: number): EventFields {
  const version = index % 256 === 77 ? RARE : '3';
  if (index % OPERATOR_EVERY === OPERATOR_EVERY - 1) {
    const { actor } = operators[Math.floor(random() * OPERATORS)]!;
    const path = pathAt(pathRank());
    return { ...fieldsOf(actor, path, time), action: 'secret.write', version } as EventFields;
  }
  const { actor, reads } = pods[podRank()]!;
  const { path, lease } = reads[Math.floor(random() * reads.length)]!;
  return { ...fieldsOf(actor, path, time), version, lease, endsAt: time + 900_000 };
}

/** The fields of a read of any path by the pod `READER`. */
export function readByReader(path: string, time: number): EventFields {
  return readBy(pods[0]!, path, time);
}

/** The fields of a read of any path. */
export function readBy({ actor }: Pick<Caller, 'actor'>, path: string, time: number): EventFields {
  return { ...fieldsOf(actor, path, time), lease: randomId('lea'), version: '3' };
}

function fieldsOf(actor: Caller['actor'], path: string, time: number): EventFields {
  const client = { address: '10.1.2.3', method: 'GET', target: `/api/v1/secrets/${path}` };
  return {
    time,
    requestId: randomId('req'),
    actor,
    client: encodeClient({ ...client, userAgent: 'quaymaster-agent/1.0' }, sha256Hex),
    path,
    mount: 'vault',
    locator: encodeLocator('vault', `secret/data/${path}`, sha256Hex),
    fingerprint: `v2.${sha256Hex(path).slice(0, 22)}`,
    policy: { name: 'teams-read', version: 2, rule: 'db' },
  };
}

/** Records reads in commits of some entries each, and adds them to the tree. */
export async function fillLog(
  bench: LogBench,
  clock: HandClock,
  { entries, commit }: { readonly entries: number; readonly commit: number },
): Promise<void> {
  for (let at = 0; at < entries; at += commit) {
    clock.advance(10);
    const now = clock.now();
    await bench.record(...Array.from({ length: commit }, (_, i) => readFields(at + i, now)));
    if (Math.floor(at / 4096) !== Math.floor((at + commit) / 4096)) await bench.integrate();
  }
  await bench.integrate();
}

/** A path that the pod never reads, of those that are read most. */
function unreadPath({ reads }: Pod): string {
  for (let rank = 0; ; rank++)
    if (!reads.some(({ path }) => path === pathAt(rank))) return pathAt(rank);
}

/** Queries of the pairs that auditors ask for, with pods of several ranks. */
function pairQueries(): Record<string, AuditQuery> {
  const queries: Record<string, AuditQuery> = {};
  for (const rank of [0, 10, 100, 1_000, PODS - 1]) {
    const pod = pods[rank]!;
    const { name, uid, session, reads } = pod;
    const { path, lease } = reads[0]!;
    queries[`pod ${rank}`] = { pod: name };
    queries[`lease of pod ${rank}`] = { lease };
    queries[`path and pod ${rank}`] = { path, pod: name };
    queries[`path and UID of pod ${rank}`] = { path, pod: uid };
    queries[`path and session of pod ${rank}`] = { path, session };
    queries[`path and lease of pod ${rank}`] = { path, lease };
    queries[`path that pod ${rank} never reads`] = { path: unreadPath(pod), pod: name };
  }
  for (const rank of [0, 100, PATHS - 1]) {
    queries[`path ${rank}`] = { path: pathAt(rank) };
    queries[`path ${rank} and an operator`] = { path: pathAt(rank), operator: operators[0]!.name };
  }
  return queries;
}

/** Lists every kind of filter and time range, for an entry of the middle of the log. */
export async function queriesFor({
  reader,
}: LogBench): Promise<readonly (readonly [string, AuditQuery])[]> {
  const middle = Math.floor((await reader.size()) / 2);
  const [entry] = await reader.entries(middle, middle + 1);
  const { time, requestId } = JSON.parse(entry!.entry) as { time: string; requestId: string };
  const at = Date.parse(time);
  const { session, reads } = pods[10]!;
  const { path, lease } = reads[0]!;
  return Object.entries({
    'no filter': {},
    'a request': { requestId },
    'a request that is not there': { requestId: randomId('req') },
    'a time range in the middle': { from: at - 1000, to: at + 1000 },
    'a path in a time range': { path, from: at - 1000, to: at + 1000 },
    'a session': { session },
    'a session before a time': { session, to: at },
    'a lease before a time': { lease, to: at },
    'one entry in each bundle': { version: RARE },
    'a path prefix': { pathPrefix: path.slice(0, path.lastIndexOf('/')) },
    'the start of the broker': { action: 'broker.start' },
    'an outcome that is not there': { outcome: 'deny' },
    ...pairQueries(),
  } satisfies Record<string, AuditQuery>);
}
