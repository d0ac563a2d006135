import { holds, targetText, type Measure, type RatioFigure } from './figures.ts';
import { median, type Result } from './result.ts';
import type { Sample, Samples } from './rounds.ts';

const UNITS: Readonly<Record<Measure, string>> = {
  rate: 'requests/s',
  p99: 'ms',
  cost: 'us/request',
};

const VALUE: Readonly<Record<Measure, (sample: Sample) => number>> = {
  rate: ({ perSecond }) => perSecond,
  p99: ({ p99 }) => p99,
  cost: ({ perSecond }) => 1e6 / perSecond,
};

/** Medians of both sides, and of the ratios within one round, because a slowdown in a round affects both sides. */
export function ratioResult(figure: RatioFigure, samples: Samples): Result {
  const value = VALUE[figure.measure];
  const ours = (samples.get(figure.ours) ?? []).map(value);
  const peer = (samples.get(figure.peer) ?? []).map(value);
  const ratios = ours.map((each, round) => each / (peer[round] ?? Number.NaN));
  const ratio = median(ratios);
  return {
    name: figure.name,
    label: figure.label,
    unit: UNITS[figure.measure],
    ours: median(ours),
    peer: median(peer),
    ratio,
    target: targetText(figure.target),
    isReached: holds(figure.target, ratio),
    spread: [Math.min(...ratios), Math.max(...ratios)],
  };
}
