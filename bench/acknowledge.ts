import { join } from 'node:path';
import { HttpReceiver } from '../test/kit/log/sink-receivers.ts';
import { ACKNOWLEDGERS, holds, targetText, type AcknowledgeName, type Figure } from './figures.ts';
import { pace } from './latency.ts';
import { processorSeconds } from './machine.ts';
import { median, type Result } from './result.ts';
import { startBroker } from './servers/broker.ts';
import { offlinePods, type OfflinePods } from './servers/pods.ts';
import { logIn, OWN_PATHS, seed } from './servers/seed.ts';
import type { Stage } from './stage.ts';
import type { Load } from './wrk.ts';

export interface AcknowledgeOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly progress: (line: string) => void;
}

const PER_SECOND = 200;
const WARM_UP_SECONDS = 2;

/** Brokers without a sink, with a sink, and with a sink for which answers wait. */
type Name = 'none' | `${'sink' | 'acknowledge'}-${(typeof ACKNOWLEDGERS)[number]}`;

interface Variant {
  readonly name: Name;
  readonly load: Load;
  readonly pid: number;
}

interface Sample {
  readonly p50: number;
  /** Microseconds of processor time of the broker for one read. */
  readonly cost: number;
}

/**
 * Measures the p50 and the processor time of reads whose answers wait for a sink, relative to reads without a sink in the same
 * round.
 */
export async function acknowledgeResults(
  stage: Stage,
  figures: readonly Figure<AcknowledgeName>[],
  { rounds, seconds, progress }: AcknowledgeOptions,
): Promise<readonly Result[]> {
  const variants = await start(stage);
  const length = { perSecond: PER_SECOND, seconds };
  for (const { load } of variants) await pace(load, { ...length, seconds: WARM_UP_SECONDS });
  const samples = new Map<Name, Sample[]>(variants.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    const first = round % variants.length;
    for (const { name, load, pid } of [...variants.slice(first), ...variants.slice(0, first)]) {
      const before = processorSeconds(pid);
      const { p50, requests } = await pace(load, length);
      const cost = ((processorSeconds(pid) - before) * 1e6) / requests;
      samples.get(name)?.push({ p50, cost });
      const shown = `p50 ${p50.toFixed(2)} ms, ${cost.toFixed(0)} us of CPU`;
      progress(`round ${round + 1} of ${rounds}: ${name} ${shown}`);
    }
  }
  return figures.map((figure) => resultOf(figure, samples));
}

async function start(stage: Stage): Promise<readonly Variant[]> {
  const pods = await offlinePods(stage.directory, 1);
  const receiver = await HttpReceiver.start();
  stage.onEnd(() => receiver.close());
  const variants = [await startOne(stage, pods, 'none', [])];
  for (const kind of ACKNOWLEDGERS) {
    for (const mustAcknowledge of [false, true]) {
      const name = `${mustAcknowledge ? 'acknowledge' : 'sink'}-${kind}` as const;
      const where =
        kind === 'http'
          ? { url: `${receiver.url}/${name}` }
          : { path: join(stage.directory, `${name}.jsonl`) };
      variants.push(await startOne(stage, pods, name, [{ type: kind, ...where, mustAcknowledge }]));
    }
  }
  return variants;
}

async function startOne(
  stage: Stage,
  pods: OfflinePods,
  name: Name,
  sinks: readonly object[],
): Promise<Variant> {
  const broker = await stage.own(
    startBroker({
      directory: join(stage.directory, `broker-${name}`),
      connections: { issuer: { type: 'jwks', file: pods.keySetFile } },
      audit: { sinks },
    }),
  );
  await seed(broker.operator);
  const load = {
    url: `${broker.url}/api/v1/secrets/${OWN_PATHS[0]}`,
    connections: 32,
    headers: { Authorization: `Bearer ${await logIn(broker.url, pods)}` },
  };
  return { name, load, pid: broker.pid };
}

function resultOf(
  { name, label, target }: Figure<AcknowledgeName>,
  samples: ReadonlyMap<Name, readonly Sample[]>,
): Result {
  const measure = name.endsWith('p50') ? 'p50' : 'cost';
  const of = (variant: string): readonly number[] =>
    (samples.get(variant as Name) ?? []).map((sample) => sample[measure]);
  const [ours, peer] = [of(name.slice(0, name.lastIndexOf('-'))), of('none')];
  const ratios = ours.map((each, round) => each / (peer[round] ?? Number.NaN));
  const ratio = median(ratios);
  return {
    name,
    label,
    ratio,
    target: targetText(target),
    isReached: holds(target, ratio),
    unit: measure === 'p50' ? 'ms' : 'us',
    ours: median(ours),
    peer: median(peer),
    spread: [Math.min(...ratios), Math.max(...ratios)],
  };
}
