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
}

/** Saturated reads of some brokers at once. */
interface Saturated {
  readonly perSecond: number;
  /** Processor time of the brokers for one read. */
  readonly processorMicros: number;
}

/** One round of one fleet. */
interface Round {
  readonly paced: PacedReport;
  /** With one, two and three brokers. */
  readonly saturated: readonly Saturated[];
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
  return { name, brokers, session: await logIn(first.url, offline) };
}

function load({ url }: Broker, session: string): Load {
  return {
    url: `${url}/api/v1/secrets/${OWN_PATHS[0]}`,
    connections: READERS,
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
  const saturated: Saturated[] = [];
  for (let count = 1; count <= fleet.brokers.length; count += 1) {
    const waits = sampleWaits(postgres);
    const result = await saturate(fleet, count, seconds);
    saturated.push(result);
    const { perSecond, processorMicros } = result;
    const rate = `${Math.round(perSecond)}/s, ${processorMicros.toFixed(1)} us of CPU`;
    lines.push(`${count} saturated: ${rate}; waits ${await waits.stop()}`);
  }
  return { round: { paced: report, saturated }, lines };
}

async function saturate(
  { brokers, session }: Fleet,
  count: number,
  seconds: number,
): Promise<Saturated> {
  const loaded = brokers.slice(0, count);
  // An idle broker may integrate the log of the others, so its processor time counts too.
  const spent = (): number => brokers.reduce((sum, { pid }) => sum + processorSeconds(pid), 0);
  const begun = spent();
  const reports = await Promise.all(loaded.map((broker) => drive(load(broker, session), seconds)));
  const processorMicros =
    ((spent() - begun) * 1e6) / reports.reduce((sum, { requests }) => sum + requests, 0);
  return { perSecond: reports.reduce((sum, each) => sum + each.perSecond, 0), processorMicros };
}

/** Counts what the sessions that commit wait for. */
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
  const of = (count: number, field: keyof Saturated): readonly number[] =>
    rounds.map(({ saturated }) => saturated[count - 1]?.[field] ?? Number.NaN);
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
      return ratioOf('requests/s', of(2, 'perSecond'), of(1, 'perSecond'));
    case 'postgres-three-rate':
      return ratioOf('requests/s', of(3, 'perSecond'), of(1, 'perSecond'));
    case 'postgres-two-cost':
      return ratioOf('us/request', of(2, 'processorMicros'), of(1, 'processorMicros'));
    case 'postgres-three-cost':
      return ratioOf('us/request', of(3, 'processorMicros'), of(1, 'processorMicros'));
  }
}

/** Medians of both sides, and of the ratios within one round, because a slowdown in a round affects both sides. */
function ratioOf(unit: string, ours: readonly number[], peer: readonly number[]): Compared {
  const ratios = ours.map((each, round) => each / (peer[round] ?? Number.NaN));
  const spread = [Math.min(...ratios), Math.max(...ratios)] as const;
  return { unit, ours: median(ours), peer: median(peer), ratio: median(ratios), spread };
}
