import type { VariantName } from '../figures.ts';
import { median, type Result } from '../result.ts';
import { sampleText, type Sample, type Samples } from '../rounds.ts';

/** A number with its significant digits. */
export function digits(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en-US');
  return value.toPrecision(3);
}

/** One line for each figure: the measurement, its reference, and whether it meets the target. */
export function figureLines(results: readonly Result[]): readonly string[] {
  return results.map((result) => {
    const { name, unit, ours, peer, ratio, target, spread, isReached } = result;
    const [low, high] = spread.map(digits);
    const compared =
      peer === null || ratio === null
        ? `${digits(ours)} ${unit}`
        : `${digits(ratio)} [${low}-${high}] (${digits(ours)} to ${digits(peer)} ${unit})`;
    return `${isReached ? 'reached' : 'MISSED '} ${name}: ${compared}, target ${target}`;
  });
}

/** One line for each variant: medians over its rounds. */
export function variantLines(samples: Samples): readonly string[] {
  return [...samples].map(([name, list]) => `${name}: ${sampleText(middle(list))}`);
}

function middle(samples: readonly Sample[]): Sample {
  const of = (field: keyof Sample): number => median(samples.map((sample) => sample[field]));
  return {
    perSecond: of('perSecond'),
    p50: of('p50'),
    p99: of('p99'),
    processorMicros: of('processorMicros'),
  };
}

/** Medians and single rounds of every variant, stored beside the figures. */
export function variantRecords(
  samples: Samples,
): readonly (Sample & { readonly name: VariantName; readonly rounds: readonly Sample[] })[] {
  return [...samples].map(([name, rounds]) => ({ name, ...middle(rounds), rounds }));
}
