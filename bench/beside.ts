import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { holds, targetText, type BesideName, type Figure } from './figures.ts';
import { pace } from './latency.ts';
import { LOAD_CORE, on } from './machine.ts';
import { post } from './memory.ts';
import { median, type Result } from './result.ts';
import { commandLine, startBroker, type Broker } from './servers/broker.ts';
import { offlinePods } from './servers/pods.ts';
import { BATCH_BODY, logIn, OWN_PATHS, policyFor, seed } from './servers/seed.ts';
import type { Stage } from './stage.ts';

export interface BesideOptions {
  readonly rounds: number;
  readonly seconds: number;
  /** Entries of the log that is searched and exported. */
  readonly entries: number;
  readonly progress: (line: string) => void;
}

const PER_SECOND = 500;
const CALLERS = 32;

/** The middle of the time in which the log was filled. */
interface Filled {
  readonly broker: Broker;
  readonly directory: string;
  readonly middle: number;
}

/** Works until the signal is aborted. @returns how often it was done. */
type Work = (filled: Filled, signal: AbortSignal) => Promise<number>;

const WORK: Readonly<Record<BesideName, Work>> = {
  'latency-search-500': search,
  'latency-export-500': exportLog,
  'latency-replay-500': replay,
};

/**
 * Measures the p99 of reads at a constant rate beside searches and beside an export, each relative to reads alone in the same
 * round.
 */
export async function besideResults(
  stage: Stage,
  figures: readonly Figure<BesideName>[],
  options: BesideOptions,
): Promise<readonly Result[]> {
  const { rounds, seconds, progress } = options;
  const offline = await offlinePods(stage.directory, 1);
  const directory = join(stage.directory, 'beside');
  const connections = { issuer: { type: 'jwks', file: offline.keySetFile } };
  const broker = await stage.own(startBroker({ directory, connections }));
  await seed(broker.operator);
  const token = await logIn(broker.url, offline);
  await savePolicies(broker);
  const begun = Date.now();
  await on(LOAD_CORE, () => fill(broker, token, options.entries));
  const filled = { broker, directory, middle: (begun + Date.now()) / 2 };
  const load = {
    url: `${broker.url}/api/v1/secrets/${OWN_PATHS[0]}`,
    connections: CALLERS,
    headers: { Authorization: `Bearer ${token}` },
  };
  const length = { perSecond: PER_SECOND, seconds };
  await pace(load, length);
  const samples = new Map<BesideName, { alone: number; beside: number }[]>();
  for (let round = 0; round < rounds; round += 1) {
    for (const { name } of figures) {
      const alone = await pace(load, length);
      const stop = new AbortController();
      const work = WORK[name](filled, stop.signal);
      const beside = await pace(load, length);
      stop.abort();
      const times = await work;
      progress(
        `round ${round + 1} of ${rounds}: ${name}: p99 ${alone.p99.toFixed(2)} ms alone, ${beside.p99.toFixed(2)} ms beside ${times}`,
      );
      samples.set(name, [...(samples.get(name) ?? []), { alone: alone.p99, beside: beside.p99 }]);
    }
  }
  return figures.map((figure) => resultOf(figure, samples.get(figure.name) ?? []));
}

function resultOf(
  { name, label, target }: Figure<BesideName>,
  samples: readonly { readonly alone: number; readonly beside: number }[],
): Result {
  const ratios = samples.map(({ alone, beside }) => beside / alone);
  const ratio = median(ratios);
  return {
    name,
    label,
    unit: 'ms',
    ratio,
    target: targetText(target),
    ours: median(samples.map(({ beside }) => beside)),
    peer: median(samples.map(({ alone }) => alone)),
    isReached: holds(target, ratio),
    spread: [Math.min(...ratios), Math.max(...ratios)],
  };
}

async function fill(broker: Broker, token: string, entries: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: CALLERS });
  let left = Math.ceil(entries / OWN_PATHS.length);
  const caller = async (): Promise<void> => {
    while (left-- > 0) {
      await post(agent, `${broker.url}/api/v1/secrets:batch`, BATCH_BODY, token);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  agent.destroy();
}

const POLICIES = 10_000;
/** Number of changed policies in one draft. */
const CHANGED = 1_000;
const AT_ONCE = 200;

/** The policies that are searched for the workloads of a replay. */
async function savePolicies({ operator }: Broker): Promise<void> {
  for (let begun = 0; begun < POLICIES; begun += AT_ONCE) {
    const documents = policies(begun, AT_ONCE).map((policy) => ({
      kind: 'policy' as const,
      name: policy.metadata.name,
      ifNoneMatch: '*' as const,
      document: JSON.stringify(policy),
    }));
    await operator.call('applyDocuments', { body: { documents } });
  }
}

function policies(begun: number, count: number): readonly ReturnType<typeof policyFor>[] {
  return Array.from({ length: count }, (_, at) => policyFor(`p${begun + at}`));
}

/** One page after another of replays of the same draft. */
async function replay({ broker }: Filled, signal: AbortSignal): Promise<number> {
  const draft = { policies: policies(0, CHANGED).map((policy) => JSON.stringify(policy)) };
  const from = new Date(0).toISOString();
  let times = 0;
  for (let after: string | undefined; !signal.aborted; times += 1) {
    const body = { draft, from, ...(after !== undefined && { after }) };
    const { body: page } = await broker.operator.call('replayPolicies', { body });
    after = page.next;
  }
  return times;
}

/** One search after another, each with another filter. */
async function search({ broker, middle }: Filled, signal: AbortSignal): Promise<number> {
  const at = (ms: number): string => new Date(middle + ms).toISOString();
  const [path] = OWN_PATHS;
  const queries = [
    { path: path ?? '' },
    { from: at(-500), to: at(500) },
    { namespace: 'bench', to: at(0) },
    { action: 'document.write' as const },
    { path: path ?? '', outcome: 'error' as const },
  ];
  let times = 0;
  for (; !signal.aborted; times += 1) {
    const query = queries[times % queries.length] ?? {};
    await broker.operator.call('searchAudit', { query: { ...query, limit: 100 } });
  }
  return times;
}

/** Exports at the lowest priority, because the client of the reads shares its core. The last export is cut short. */
async function exportLog({ broker, directory }: Filled, signal: AbortSignal): Promise<number> {
  const isStopped = (): boolean => signal.aborted;
  let times = 0;
  for (; !isStopped(); times += 1) {
    const target = await mkdtemp(join(directory, 'export-'));
    const { file, args, env } = commandLine(broker, directory, [
      'audit',
      'export',
      join(target, 'log'),
    ]);
    const command = ['-c', String(LOAD_CORE), 'nice', '-n', '19', file, ...args];
    const child = spawn('taskset', command, { env, stdio: ['ignore', 'ignore', 'inherit'] });
    const end = (): void => void child.kill();
    signal.addEventListener('abort', end, { once: true });
    const [code] = (await once(child, 'exit')) as [number | null];
    signal.removeEventListener('abort', end);
    await rm(target, { recursive: true, force: true });
    if (!isStopped() && code !== 0) throw new Error(`the export failed with ${code}`);
  }
  return times;
}
