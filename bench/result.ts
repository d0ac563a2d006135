import { holds, targetText, type Figure } from './figures.ts';

/** One line of `bench.json`. */
export interface Result {
  readonly name: string;
  readonly label: string;
  readonly unit: string;
  readonly ours: number;
  /** Null if there is no comparison: memory has a budget instead. */
  readonly peer: number | null;
  readonly ratio: number | null;
  readonly target: string;
  readonly isReached: boolean;
  /** Lowest and highest of the rounds: of the ratio, or of `ours` without a ratio. */
  readonly spread: readonly [number, number];
}

/** Makes the result of a figure without a comparison: the middle of the measured values, and their spread. */
export function resultAlone(
  { name, label, target }: Figure,
  unit: string,
  values: readonly number[],
): Result {
  const ours = median(values);
  return {
    name,
    label,
    unit,
    ours,
    peer: null,
    ratio: null,
    target: targetText(target),
    isReached: holds(target, ours),
    spread: [Math.min(...values), Math.max(...values)],
  };
}

/** The middle value; for an even count the mean of the two middle values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? Number.NaN;
  return Number.isInteger(middle) ? (upper + (sorted[middle - 1] ?? upper)) / 2 : upper;
}
