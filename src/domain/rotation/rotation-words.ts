/** States of a rotation, as its row stores them. `undoing`: the rotation restores the previous state. */
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
  | 'create'
  | 'set'
  | 'test'
  | 'canary'
  | 'promote'
  | 'settle'
  | 'retire'
  | 'discard'
  | 'end';
