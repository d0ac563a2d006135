import { processorSeconds } from './machine.ts';
import type { VariantName } from './figures.ts';
import { drive, type Load } from './wrk.ts';

/** A variant with the process that serves it. */
export interface Variant {
  readonly name: VariantName;
  readonly load: Load;
  readonly pid: number;
}

/** One variant in one round. Latencies in ms; processor time of the server in microseconds per request. */
export interface Sample {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly processorMicros: number;
}

export type Samples = ReadonlyMap<VariantName, readonly Sample[]>;

export interface RoundsOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly progress: (line: string) => void;
}

const WARM_UP_SECONDS = 1;

/** Drives every variant once per round. Each round starts with another variant, after a short warm-up that does not count. */
export async function runRounds(
  variants: readonly Variant[],
  { rounds, seconds, progress }: RoundsOptions,
): Promise<Samples> {
  for (const { load } of variants) await drive(load, WARM_UP_SECONDS);
  const samples = new Map<VariantName, Sample[]>(variants.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    const first = round % variants.length;
    for (const variant of [...variants.slice(first), ...variants.slice(0, first)]) {
      const sample = await measure(variant, seconds);
      samples.get(variant.name)?.push(sample);
      progress(`round ${round + 1} of ${rounds}: ${variant.name} ${sampleText(sample)}`);
    }
  }
  return samples;
}

async function measure({ load, pid }: Variant, seconds: number): Promise<Sample> {
  const before = processorSeconds(pid);
  const { requests, perSecond, p50, p99 } = await drive(load, seconds);
  const processorMicros = ((processorSeconds(pid) - before) * 1e6) / requests;
  return { perSecond, p50, p99, processorMicros };
}

export function sampleText({ perSecond, p50, p99, processorMicros }: Sample): string {
  const latency = `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`;
  return `${Math.round(perSecond)}/s, ${latency}, ${processorMicros.toFixed(1)} us of CPU`;
}
