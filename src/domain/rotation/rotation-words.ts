/** Where a rotation can be, as its row has it. `undoing`: it goes back to what was before. */
export const ROTATION_STATES = [
  'running',
  'parked',
  'undoing',
  'done',
  'aborted',
  'rolled_back',
] as const;
export type RotationState = (typeof ROTATION_STATES)[number];

export type RotationStep =
  'create' | 'set' | 'test' | 'canary' | 'promote' | 'settle' | 'retire' | 'discard' | 'end';
