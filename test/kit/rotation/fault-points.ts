/** The end of a step is the beginning of the next one. */
const MOMENTS = ['after_begun', 'after_effect', 'after_done'] as const;

export const pointsOf = (...steps: readonly string[]): readonly string[] =>
  steps.flatMap((step) => MOMENTS.map((moment) => `rotation.${step}.${moment}`));

/** Failpoint before the commit that starts a rotation: nothing is recorded yet. */
export const BEFORE_ALL = 'rotation.started.before_commit';

/** Failpoints around every write and every external call of a successful rotation. */
export const EVERY_POINT: readonly string[] = [
  BEFORE_ALL,
  'rotation.started.after_commit',
  'rotation.create.before_begun',
  ...pointsOf('create', 'set', 'test', 'promote'),
  'rotation.settle.after_done',
  ...pointsOf('retire'),
];

/** Points at which a rotation can fail and retry: after its start and before its end. */
export const POINTS_WITHIN: readonly string[] = EVERY_POINT.filter(
  (point) => !point.includes('.started.') && point !== 'rotation.retire.after_done',
);
