/** A step's end is the next one's beginning. */
const MOMENTS = ['after_begun', 'after_effect', 'after_done'] as const;

export const pointsOf = (...steps: readonly string[]): readonly string[] =>
  steps.flatMap((step) => MOMENTS.map((moment) => `rotation.${step}.${moment}`));

/** Around the commit that begins a rotation: before it nothing is recorded. */
export const BEFORE_ALL = 'rotation.started.before_commit';

/** Around every write and every outside call of a rotation that goes well. */
export const EVERY_POINT: readonly string[] = [
  BEFORE_ALL,
  'rotation.started.after_commit',
  'rotation.create.before_begun',
  ...pointsOf('create', 'set', 'test', 'promote'),
  'rotation.settle.after_done',
  ...pointsOf('retire'),
];

/** Where a rotation can fail and be tried again: it has begun, and is not over. */
export const POINTS_WITHIN: readonly string[] = EVERY_POINT.filter(
  (point) => !point.includes('.started.') && point !== 'rotation.retire.after_done',
);
