/** Kinds of things whose changes the broker announces to operators. */
export const CHANGE_KINDS = [
  'secret',
  'rotation',
  'document',
  'session',
  'lease',
  'quarantine',
  'alert',
  'approval',
  'token',
  'evidence',
  'attestation',
  'keys',
] as const;
export type ChangeKind = (typeof CHANGE_KINDS)[number];

/** A change: what changed, never its content. */
export interface AnnouncedChange {
  readonly kind: ChangeKind;
  /** Path, name or id. Without it, any of the kind may have changed. */
  readonly id?: string;
}

/** An event for an operator. The receiver reads again what it shows, and the broker decides again. */
export type ChangeEvent =
  /** The stream has begun. It does not resume: the receiver reads everything that it shows once. */
  | { readonly type: 'ready' }
  | { readonly type: 'changed'; readonly changes: readonly AnnouncedChange[] }
  /** More changed than the broker names one by one. */
  | { readonly type: 'reset' }
  /** The operator token has ended, and the stream ends with it. */
  | { readonly type: 'token.ended' };
