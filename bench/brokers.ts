import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { createDatabase, startPostgres } from '../test/kit/backends/postgres.ts';
import type { BrokersName, Figure } from './figures.ts';
import { BOTH_CORES, treeSeconds, on, processorSeconds, residentMegabytes } from './machine.ts';
import { median, resultAlone, type Result } from './result.ts';
import { startBroker, startReplica, type Broker } from './servers/broker.ts';
import { offlinePods } from './servers/pods.ts';
import { logIn, OWN_PATHS, seed } from './servers/seed.ts';
import type { Stage } from './stage.ts';

export interface BrokersOptions {
  readonly brokers: number;
  readonly watchSeconds: number;
  readonly progress: (line: string) => void;
}

const SETTLE_MS = 3_000;
/** Reads of each broker. */
const READS_PER_SECOND = 5;
const SAMPLE_MS = 50;
const TAKEOVER_WITHIN_MS = 30_000;
const BATCHES_OUTSIDE_TREE = `SELECT "writer" || ' ' || "first_seq" AS "batch" FROM "audit_batches" AS "committed"
  WHERE NOT EXISTS (SELECT 1 FROM "log_segments" AS "logged" WHERE "logged"."writer" = "committed"."writer" AND "logged"."first_seq" = "committed"."first_seq")`;
const NEWEST_WRITER = 'SELECT max("writer") AS "writer" FROM "audit_batches"';
const INTEGRATOR = `SELECT "owner", "epoch" FROM "claims" WHERE "name" = 'audit-integrator'`;
const SESSIONS = `SELECT count(*)::int AS "sessions" FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'quaymaster%'`;

/** All values of one figure: one for each broker, or for each sample. */
type Values = Readonly<Record<BrokersName, readonly number[]>>;

interface Fleet {
  readonly brokers: readonly Broker[];
  /** The brokers by the names that their boots have in the log. */
  readonly byWriter: ReadonlyMap<string, Broker>;
  readonly session: string;
  readonly database: pg.Client;
  /** The process of PostgreSQL. */
  readonly server: number;
}

/**
 * Runs many brokers on one PostgreSQL server, first idle and then with a light load, and kills the one that integrates the log. The brokers share one
 * core, and PostgreSQL may use both.
 */
export async function brokersResults(
  stage: Stage,
  figures: readonly Figure<BrokersName>[],
  options: BrokersOptions,
): Promise<readonly Result[]> {
  const fleet = await startFleet(stage, options);
  const values: Values = {
    ...(await watchIdle(fleet, options)),
    ...(await watchReads(fleet, options)),
    'brokers-takeover': [await killIntegrator(fleet)],
  };
  return figures.map((figure) => resultAlone(figure, UNITS[figure.name], values[figure.name]));
}

async function startFleet(
  stage: Stage,
  { brokers: count, progress }: BrokersOptions,
): Promise<Fleet> {
  const offline = await offlinePods(stage.directory, 1);
  const postgres = await on(BOTH_CORES, () => stage.own(startPostgres({ durable: true })));
  const { connectionString } = await createDatabase(postgres);
  const database = new pg.Client({ connectionString });
  await database.connect();
  stage.onEnd(() => database.end());
  const directory = (n: number): string => join(stage.directory, `broker-${n}`);
  const options = (n: number) => ({
    directory: directory(n),
    connections: { issuer: { type: 'jwks', file: offline.keySetFile } },
    database: connectionString,
  });
  const first = await stage.own(startBroker(options(0)));
  await seed(first.operator);
  const byWriter = new Map<string, Broker>();
  const named = async (broker: Broker): Promise<void> => {
    const { rows } = await database.query<{ writer: string }>(NEWEST_WRITER);
    byWriter.set(rows[0]?.writer ?? '', broker);
  };
  await named(first);
  for (let n = 1; n < count; n += 1) {
    await named(await stage.own(startReplica(options(n), directory(0))));
    if (n % 5 === 4) progress(`${n + 1} brokers are ready`);
  }
  const session = await logIn(first.url, offline);
  const brokers = [...byWriter.values()];
  const server = postgres.processes[0]?.pid;
  if (server === undefined) throw new Error('PostgreSQL has a process');
  return { brokers, byWriter, session, database, server };
}

/** Processor time in milliseconds a second: of the broker that integrates, of the others, and of PostgreSQL. */
async function spent(
  { brokers, byWriter, database, server }: Fleet,
  work: () => Promise<unknown>,
): Promise<{
  readonly integrator: number;
  readonly others: readonly number[];
  readonly server: number;
}> {
  const integrating = byWriter.get((await integratorOf(database)).owner);
  const begun = performance.now();
  const before = brokers.map(({ pid }) => processorSeconds(pid));
  const serverBefore = treeSeconds(server);
  await work();
  const seconds = (performance.now() - begun) / 1000;
  const all = brokers.map(
    ({ pid }, n) => ((processorSeconds(pid) - (before[n] ?? 0)) * 1000) / seconds,
  );
  return {
    integrator: all[brokers.findIndex((broker) => broker === integrating)] ?? Number.NaN,
    others: all.filter((_, n) => brokers[n] !== integrating),
    server: ((treeSeconds(server) - serverBefore) * 1000) / seconds,
  };
}

async function watchIdle(
  fleet: Fleet,
  { watchSeconds, progress }: BrokersOptions,
): Promise<
  Pick<Values, 'brokers-idle' | 'brokers-idle-server' | 'brokers-memory' | 'brokers-sessions'>
> {
  await pause(SETTLE_MS);
  const { integrator, others, server } = await spent(fleet, () => pause(watchSeconds * 1000));
  progress(
    `idle: integrator ${integrator.toFixed(1)} ms of CPU a second, others ${median(others).toFixed(1)}`,
  );
  const { rows } = await fleet.database.query<{ sessions: number }>(SESSIONS);
  return {
    'brokers-idle': others,
    'brokers-idle-server': [server],
    'brokers-memory': fleet.brokers.map(({ pid }) => residentMegabytes(pid)),
    'brokers-sessions': [(rows[0]?.sessions ?? Number.NaN) / fleet.brokers.length],
  };
}

async function watchReads(
  fleet: Fleet,
  { watchSeconds, progress }: BrokersOptions,
): Promise<Pick<Values, 'brokers-lag'>> {
  const sampling = sampleLag(fleet.database);
  const { integrator, others, server } = await spent(fleet, () => readEvenly(fleet, watchSeconds));
  const lags = await sampling.stop();
  const reads = `${READS_PER_SECOND} reads a second each: integrator ${integrator.toFixed(1)} ms of CPU a second, others ${median(others).toFixed(1)}`;
  progress(
    `${reads}, PostgreSQL ${server.toFixed(1)}; lag of the log: median ${median(lags).toFixed(2)} s`,
  );
  return { 'brokers-lag': [Math.max(...lags)] };
}

/** Reads a secret from each broker in turn. */
async function readEvenly({ brokers, session }: Fleet, seconds: number): Promise<void> {
  const headers = { Authorization: `Bearer ${session}` };
  const begun = performance.now();
  for (let n = 0; n < READS_PER_SECOND * seconds * brokers.length; n += 1) {
    const due = begun + (n * 1000) / (READS_PER_SECOND * brokers.length);
    if (due > performance.now()) await pause(due - performance.now());
    const url = brokers[n % brokers.length]?.url ?? '';
    const response = await fetch(`${url}/api/v1/secrets/${OWN_PATHS[0]}`, { headers });
    if (!response.ok) throw new Error(`a read failed: ${response.status}`);
    await response.arrayBuffer();
  }
}

/** The seconds that each commit waits for the tree, in steps of the samples. */
function sampleLag(database: pg.Client): { readonly stop: () => Promise<readonly number[]> } {
  const seen = new Map<string, number>();
  const lags: number[] = [];
  const stop = new AbortController();
  const sampling = (async (): Promise<void> => {
    do {
      const { rows } = await database.query<{ batch: string }>(BATCHES_OUTSIDE_TREE);
      const now = performance.now();
      const waiting = new Set(rows.map(({ batch }) => batch));
      for (const batch of waiting) if (!seen.has(batch)) seen.set(batch, now);
      for (const [batch, since] of seen) {
        if (waiting.has(batch)) continue;
        lags.push((now - since) / 1000);
        seen.delete(batch);
      }
      await pause(SAMPLE_MS);
    } while (!stop.signal.aborted || seen.size > 0);
  })();
  return {
    stop: async () => {
      stop.abort();
      await sampling;
      return lags;
    },
  };
}

async function integratorOf(
  database: pg.Client,
): Promise<{ readonly owner: string; readonly epoch: string }> {
  const { rows } = await database.query<{ owner: string; epoch: string }>(INTEGRATOR);
  const [row] = rows;
  if (row === undefined) throw new Error('no broker integrates the log');
  return row;
}

/** Seconds from the end of the process until another one has the claim. */
async function killIntegrator({ byWriter, database }: Fleet): Promise<number> {
  const { owner, epoch } = await integratorOf(database);
  const broker = byWriter.get(owner);
  if (broker === undefined) throw new Error(`no broker has the writer ${owner}`);
  process.kill(broker.pid, 'SIGKILL');
  const begun = performance.now();
  while ((await integratorOf(database)).epoch === epoch) {
    if (performance.now() - begun > TAKEOVER_WITHIN_MS) throw new Error('no broker took over');
    await pause(SAMPLE_MS);
  }
  return (performance.now() - begun) / 1000;
}

const UNITS: Readonly<Record<BrokersName, string>> = {
  'brokers-idle': 'ms of CPU a second',
  'brokers-idle-server': 'ms of CPU a second',
  'brokers-memory': 'MB resident',
  'brokers-sessions': 'sessions',
  'brokers-lag': 's',
  'brokers-takeover': 's',
};
