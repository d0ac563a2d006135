import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { holds, LATENCY_MEASURES, LATENCY_PLACES, LATENCY_RATES, targetText } from './figures.ts';
import type { LatencyFigure, LatencyPlace, LatencyRate } from './figures.ts';
import { setUp } from './load-stage.ts';
import { BOTH_CORES, LOAD_CORE, moveTo, SERVER_CORE } from './machine.ts';
import type { PacedOptions, PacedReport } from './paced-client.ts';
import { median, type Result } from './result.ts';
import type { Variant } from './rounds.ts';
import type { Stage } from './stage.ts';

export interface LatencyOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly progress: (line: string) => void;
}

const CLIENT = fileURLToPath(new URL('paced-client.ts', import.meta.url));
const CONNECTIONS = 32;
const SERVERS = ['read-embedded', 'openbao-read', 'raw-http'] as const;
const WARM_UP_SECONDS = 2;
const run = promisify(execFile);

type Server = (typeof SERVERS)[number];
/** The reports of one server at one rate, in the order of the rounds. */
type Reports = Map<`${Server} ${LatencyPlace} ${LatencyRate}`, PacedReport[]>;

/**
 * Sends reads at the same constant rates to the broker, to OpenBao and to a bare node:http server, and compares their latencies. Each round
 * measures every server on one core and on both.
 */
export async function latencyResults(
  stage: Stage,
  figures: readonly LatencyFigure[],
  options: LatencyOptions,
): Promise<readonly Result[]> {
  const variants = await setUp(stage, new Set(SERVERS));
  const loads = LATENCY_PLACES.flatMap((place) =>
    LATENCY_RATES.map((perSecond) => ({ place, perSecond })),
  ).filter(({ place, perSecond }) =>
    figures.some((each) => each.place === place && each.perSecond === perSecond),
  );
  for (const { load } of variants) await pace(load, { perSecond: 500, seconds: WARM_UP_SECONDS });
  const reports: Reports = new Map();
  for (let round = 0; round < options.rounds; round += 1) {
    const first = round % variants.length;
    const inTurn = [...variants.slice(first), ...variants.slice(0, first)];
    for (const load of loads) await runRound(inTurn, { ...load, round }, { options, reports });
  }
  return figures.map((figure) => resultOf(figure, reports));
}

async function runRound(
  variants: readonly Variant[],
  {
    place,
    perSecond,
    round,
  }: { readonly place: LatencyPlace; readonly perSecond: LatencyRate; readonly round: number },
  { options, reports }: { readonly options: LatencyOptions; readonly reports: Reports },
): Promise<void> {
  const { rounds, seconds, progress } = options;
  for (const { name, load, pid } of variants) {
    moveTo(place === 'pinned' ? SERVER_CORE : BOTH_CORES, pid);
    const report = await pace(load, { perSecond, seconds });
    const key = `${name as Server} ${place} ${perSecond}` as const;
    reports.set(key, [...(reports.get(key) ?? []), report]);
    const shown = LATENCY_MEASURES.map((each) => `${each} ${report[each].toFixed(2)} ms`);
    const where = `${name}, ${place}, at ${perSecond}/s`;
    progress(`round ${round + 1} of ${rounds}: ${where}: ${shown.join(', ')}`);
  }
}

/** Sends reads at a constant rate and reports their latencies. */
export async function pace(
  { url, headers }: Variant['load'],
  length: Pick<PacedOptions, 'perSecond' | 'seconds'>,
): Promise<PacedReport> {
  const options: PacedOptions = {
    url,
    headers,
    connections: CONNECTIONS,
    ...length,
  };
  const client = [process.execPath, CLIENT, JSON.stringify(options)];
  const { stdout } = await run('taskset', ['-c', String(LOAD_CORE), ...client]);
  return JSON.parse(stdout) as PacedReport;
}

function resultOf(figure: LatencyFigure, reports: Reports): Result {
  const { name, label, measure, place, perSecond, peer, target } = figure;
  const of = (server: Server): readonly number[] =>
    (reports.get(`${server} ${place} ${perSecond}`) ?? []).map((report) => report[measure]);
  const [ours, theirs] = [of('read-embedded'), of(peer)];
  const ratios = ours.map((each, round) => each / (theirs[round] ?? Number.NaN));
  const ratio = median(ratios);
  return {
    name,
    label,
    unit: 'ms',
    ours: median(ours),
    peer: median(theirs),
    ratio,
    target: targetText(target),
    isReached: holds(target, ratio),
    spread: [Math.min(...ratios), Math.max(...ratios)],
  };
}
