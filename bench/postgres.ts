import { join, resolve } from 'node:path';
import pg from 'pg';
import { createDatabase, startPostgres, type Postgres } from '../test/kit/backends/postgres.ts';
import { holds, targetText, type Figure, type PostgresName } from './figures.ts';
import { pace } from './latency.ts';
import { BOTH_CORES, on, processorSeconds } from './machine.ts';
import type { PacedReport } from './paced-client.ts';
import { median, type Result } from './result.ts';
import { startBroker, startReplica, type Broker, type BrokerOptions } from './servers/broker.ts';
import { offlinePods, type OfflinePods } from './servers/pods.ts';
import { logIn, OWN_PATHS, seed } from './servers/seed.ts';
import type { Stage } from './stage.ts';
import { drive, type Load } from './wrk.ts';

export interface PostgresBenchOptions {
  readonly rounds: number;
  readonly seconds: number;
  /** Another checkout that is built: its figures are reported as progress, round by round. */
  readonly before: string | undefined;
  readonly progress: (line: string) => void;
}

const PER_SECOND = 600;
const WARM_UP_SECONDS = 2;
const READERS = 64;
const REPLICAS = ['replica-1', 'replica-2'];
const SAMPLE_WAITS_MS = 20;

/** The brokers of one build on one database; the first one created the installation. */
interface Fleet {
  readonly name: string;
  readonly brokers: readonly Broker[];
  readonly session: string;
  /** Connection string of the database; undefined for SQLite. */
  readonly database: string | undefined;
}

/** Connections of each broker that reads, by the number of these brokers. Few connections make small commits, with one broker as with three. */
const LOADS = ['1x64', '1x21', '2x64', '2x32', '3x64', '3x21'] as const;
type LoadName = (typeof LOADS)[number];

/** Saturated reads of some brokers at once. */
interface Saturated {
  readonly perSecond: number;
  /** Processor time of the brokers for one read. */
  readonly processorMicros: number;
}

/** One round of one fleet. */
interface Round {
  readonly paced: PacedReport;
  readonly saturated: ReadonlyMap<LoadName, Saturated>;
}

/**
 * Measures brokers on one PostgreSQL server with fsync on: latency at a constant rate beside a broker on SQLite, and processor time for a read of
 * one, two and three saturated brokers. The brokers share one core, and PostgreSQL may use both.
 */
export async function postgresResults(
  stage: Stage,
  figures: readonly Figure<PostgresName>[],
  options: PostgresBenchOptions,
): Promise<readonly Result[]> {
  const { before, rounds, progress } = options;
  const offline = await offlinePods(stage.directory, 1);
  const postgres = await on(BOTH_CORES, () => stage.own(startPostgres({ durable: true })));
  const sqlite = await startFleet(stage, offline, 'sqlite', {});
  const fleets = [await startFleet(stage, offline, 'postgres', { postgres })];
  if (before !== undefined) {
    const main = resolve(before, 'dist/quaymaster.cjs');
    fleets.push(await startFleet(stage, offline, 'postgres-before', { postgres, main }));
  }
  const peers: PacedReport[] = [];
  const measured = new Map<Fleet, Round[]>(fleets.map((fleet) => [fleet, []]));
  for (const fleet of [sqlite, ...fleets]) await paced(fleet, WARM_UP_SECONDS);
  for (let round = 0; round < rounds; round += 1) {
    const label = `round ${round + 1} of ${rounds}`;
    const peer = await paced(sqlite, options.seconds);
    peers.push(peer);
    progress(`${label}: sqlite ${pacedText(peer)}`);
    for (const fleet of round % 2 === 0 ? fleets : fleets.toReversed()) {
      const result = await measure(fleet, postgres, options);
      measured.get(fleet)?.push(result.round);
      for (const line of result.lines) progress(`${label}: ${fleet.name} ${line}`);
    }
  }
  const [ours = []] = measured.values();
  return figures.map((figure) => resultOf(figure, ours, peers));
}

async function startFleet(
  stage: Stage,
  offline: OfflinePods,
  name: string,
  { postgres, main }: { readonly postgres?: Postgres; readonly main?: string },
): Promise<Fleet> {
  const database = postgres && (await createDatabase(postgres)).connectionString;
  const directory = (own: string): string => join(stage.directory, `${name}-${own}`);
  const options = (own: string): BrokerOptions => ({
    directory: directory(own),
    connections: { issuer: { type: 'jwks', file: offline.keySetFile } },
    ...(database !== undefined && { database }),
    main,
  });
  const first = await stage.own(startBroker(options('first')));
  await seed(first.operator);
  const brokers = [first];
  for (const own of database === undefined ? [] : REPLICAS) {
    brokers.push(await stage.own(startReplica(options(own), directory('first'))));
  }
  return { name, brokers, database, session: await logIn(first.url, offline) };
}

function load({ url }: Broker, session: string, connections = READERS): Load {
  return {
    url: `${url}/api/v1/secrets/${OWN_PATHS[0]}`,
    connections,
    headers: { Authorization: `Bearer ${session}` },
  };
}

async function paced({ brokers: [first], session }: Fleet, seconds: number): Promise<PacedReport> {
  if (first === undefined) throw new Error('a fleet has a broker');
  return pace(load(first, session), { perSecond: PER_SECOND, seconds });
}

async function measure(
  fleet: Fleet,
  postgres: Postgres,
  { seconds }: PostgresBenchOptions,
): Promise<{ readonly round: Round; readonly lines: readonly string[] }> {
  const report = await paced(fleet, seconds);
  const lines = [pacedText(report)];
  const saturated = new Map<LoadName, Saturated>();
  for (const name of LOADS) {
    const waits = sampleWaits(postgres);
    const { text, ...result } = await saturate(fleet, name, seconds);
    saturated.set(name, result);
    lines.push(`${name} connections, saturated: ${text}; waits ${await waits.stop()}`);
  }
  return { round: { paced: report, saturated }, lines };
}

async function saturate(
  { brokers, session, database }: Fleet,
  name: LoadName,
  seconds: number,
): Promise<Saturated & { readonly text: string }> {
  const [count, connections] = name.split('x').map(Number);
  const loaded = brokers.slice(0, count);
  const commits = await countCommits(database);
  // An idle broker may integrate the log of the others, so its processor time counts too.
  const spent = (): readonly number[] => brokers.map(({ pid }) => processorSeconds(pid));
  const begun = spent();
  const reports = await Promise.all(
    loaded.map((broker) => drive(load(broker, session, connections), seconds)),
  );
  const micros = spent().map((after, n) => (after - (begun[n] ?? 0)) * 1e6);
  const requests = reports.reduce((sum, each) => sum + each.requests, 0);
  const perSecond = reports.reduce((sum, each) => sum + each.perSecond, 0);
  const processorMicros = micros.reduce((sum, each) => sum + each, 0) / requests;
  const ofEach = reports.map((each, n) => ((micros[n] ?? 0) / each.requests).toFixed(1));
  const text = `${Math.round(perSecond)}/s, ${processorMicros.toFixed(1)} us of CPU (${ofEach.join(', ')}), ${await commits()} reads a commit`;
  return { perSecond, processorMicros, text };
}

/** Counts commits from now on; the returned function gives the entries of a commit so far. */
async function countCommits(database: string | undefined): Promise<() => Promise<string>> {
  const query = async (text: string, values: readonly unknown[]): Promise<readonly unknown[]> => {
    const client = new pg.Client({ connectionString: database });
    await client.connect();
    const { rows } = await client.query(text, [...values]);
    await client.end();
    return rows as readonly unknown[];
  };
  const begun = (await query(LAST_COMMITS, [])) as readonly { writer: string; last: string }[];
  return async () => {
    const values = [begun.map(({ writer }) => writer), begun.map(({ last }) => last)];
    const [row] = (await query(ENTRIES_A_COMMIT, values)) as readonly { entries: number | null }[];
    return (row?.entries ?? Number.NaN).toFixed(1);
  };
}

const LAST_COMMITS =
  'SELECT "writer", max("first_seq") AS "last" FROM "audit_batches" GROUP BY "writer"';
const ENTRIES_A_COMMIT = `SELECT avg("count")::float8 AS "entries" FROM "audit_batches" JOIN unnest($1::text[], $2::bigint[]) AS "begun" ("name", "last")
  ON "writer" = "name" AND "first_seq" > "last"`;

/** Counts the wait events of the sessions that commit. */
function sampleWaits(postgres: Postgres): { readonly stop: () => Promise<string> } {
  const counts = new Map<string, number>();
  const stop = new AbortController();
  const sampling = (async (): Promise<void> => {
    const client = new pg.Client({ connectionString: postgres.adminConnectionString });
    await client.connect();
    while (!stop.signal.aborted) {
      const { rows } = await client.query<{ wait: string }>(WAITS);
      for (const { wait } of rows) counts.set(wait, (counts.get(wait) ?? 0) + 1);
      await new Promise((done) => setTimeout(done, SAMPLE_WAITS_MS));
    }
    await client.end();
  })();
  return {
    stop: async () => {
      stop.abort();
      await sampling;
      const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
      return [...counts]
        .toSorted(([, left], [, right]) => right - left)
        .map(([wait, count]) => `${wait} ${Math.round((count / total) * 100)} %`)
        .join(', ');
    },
  };
}

const WAITS = `SELECT CASE WHEN state = 'idle' THEN 'idle' WHEN wait_event = 'ClientRead' THEN 'client' ELSE coalesce(wait_event, 'running') END AS wait
  FROM pg_stat_activity WHERE application_name LIKE 'quaymaster %'`;

function pacedText({ p50, p99, worst }: PacedReport): string {
  return `at ${PER_SECOND}/s: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, worst ${worst.toFixed(2)} ms`;
}

type Compared = Pick<Result, 'unit' | 'ours' | 'peer' | 'ratio' | 'spread'>;

function resultOf(
  { name, label, target }: Figure<PostgresName>,
  rounds: readonly Round[],
  peers: readonly PacedReport[],
): Result {
  const compared = comparedOf(name, rounds, peers);
  const isReached = holds(target, compared.ratio ?? compared.ours);
  return { name, label, ...compared, target: targetText(target), isReached };
}

function comparedOf(
  name: PostgresName,
  rounds: readonly Round[],
  peers: readonly PacedReport[],
): Compared {
  const of = (load: LoadName, field: keyof Saturated): readonly number[] =>
    rounds.map(({ saturated }) => saturated.get(load)?.[field] ?? Number.NaN);
  const cost = (ours: LoadName, peer: LoadName): Compared =>
    ratioOf('us/request', of(ours, 'processorMicros'), of(peer, 'processorMicros'));
  switch (name) {
    case 'postgres-read-p50': {
      const values = rounds.map(({ paced: { p50 } }) => p50);
      const spread = [Math.min(...values), Math.max(...values)] as const;
      return { unit: 'ms', ours: median(values), peer: null, ratio: null, spread };
    }
    case 'postgres-read-p99': {
      const values = rounds.map(({ paced: { p99 } }) => p99);
      return ratioOf(
        'ms',
        values,
        peers.map(({ p99 }) => p99),
      );
    }
    case 'postgres-two-rate':
      return ratioOf('requests/s', of('2x64', 'perSecond'), of('1x64', 'perSecond'));
    case 'postgres-three-rate':
      return ratioOf('requests/s', of('3x64', 'perSecond'), of('1x64', 'perSecond'));
    case 'postgres-two-cost':
      return cost('2x64', '1x64');
    case 'postgres-three-cost':
      return cost('3x64', '1x64');
    case 'postgres-two-divided-cost':
      return cost('2x32', '1x64');
    case 'postgres-three-divided-cost':
      return cost('3x21', '1x64');
    case 'postgres-small-commits-cost':
      return cost('1x21', '1x64');
  }
}

/** Medians of both sides, and of the ratios within one round, because a slowdown in a round affects both sides. */
function ratioOf(unit: string, ours: readonly number[], peer: readonly number[]): Compared {
  const ratios = ours.map((each, round) => each / (peer[round] ?? Number.NaN));
  const spread = [Math.min(...ratios), Math.max(...ratios)] as const;
  return { unit, ours: median(ours), peer: median(peer), ratio: median(ratios), spread };
}
