import { dueAtOnce, type DueOptions } from './due-at-once.ts';
import { holds, targetText, type Figure, type RotationName } from './figures.ts';
import { idleSchedules, type IdleOptions } from './idle-schedules.ts';
import type { Result } from './result.ts';
import type { Stage } from './stage.ts';

export type RotationOptions = DueOptions & IdleOptions;

/** The result of one figure, judged by the ratio if there is one. */
export type RotationMeasure = Pick<Result, 'unit' | 'ours' | 'peer' | 'ratio' | 'spread'>;

/** Measures the requested figures; one run gives both figures about rotations that are due at once. */
export async function rotationResults(
  stage: Stage,
  figures: readonly Figure<RotationName>[],
  options: RotationOptions,
): Promise<readonly Result[]> {
  const isDue = figures.some(({ name }) => name !== 'rotation-idle');
  const isIdle = figures.some(({ name }) => name === 'rotation-idle');
  const measures: Partial<Record<RotationName, RotationMeasure>> = {
    ...(isIdle && { 'rotation-idle': await idleSchedules(stage, options) }),
    ...(isDue && (await dueAtOnce(stage, options))),
  };
  return figures.flatMap((figure) => {
    const measure = measures[figure.name];
    return measure === undefined ? [] : [resultOf(figure, measure)];
  });
}

function resultOf({ name, label, target }: Figure<RotationName>, measure: RotationMeasure): Result {
  const isReached = holds(target, measure.ratio ?? measure.ours);
  return { name, label, ...measure, target: targetText(target), isReached };
}
