import type { SecretData } from '../domain/secret.ts';
import type { CallContext } from './call-context.ts';

/** A connection of the configuration file at which credentials are changed. Knows a host; knows nothing of policy, audit or schedules. */
export interface RotationConnection {
  readonly name: string;
  readonly kind: string;
  /**
   * What one definition rotates there. `options` are the definition's, checked here strictly; nothing is sent.
   * @throws ERR_BODY_INVALID with `problems`, their pointers relative to `options`; `/strategy` names an unknown strategy.
   */
  target(strategy: string, options: unknown): RotationTarget;
}

/** One try at a step. */
export interface RotationTurn {
  /** The same in every try: names that a rotation makes at the target derive from it, so that a later try finds them again. */
  readonly rotationId: string;
  /** When the rotation began, milliseconds since the epoch: what is older at the target, it did not make. */
  readonly startedAt: number;
  /** The value that works now and is current in the provider; undefined where there is none yet. */
  readonly current: SecretData | undefined;
  readonly context: CallContext;
  /** Begun or hurried because a credential is in the wrong hands: whatever the previous one has opened is closed. */
  readonly isIncident: boolean;
  /**
   * Called right before each statement or request that changes something at the target.
   * @throws ERR_CONFLICT with the reason `claim_lost` when another process carries this rotation on by now.
   */
  stillOurs(): void;
}

/** Whether a credential is accepted at the target, and does what it is for. A target that could not be asked throws ERR_PROVIDER_* instead. */
export type TargetVerdict =
  | { readonly accepted: true }
  /** `reason`: a stable word (`login_refused`, `grants_missing`, …) that holds nothing of the target's text. */
  | { readonly accepted: false; readonly reason: string };

/**
 * The steps of a rotation at one target. The broker stores the value before `set`, and each step's end before the next begins; every step is
 * idempotent, so that after kill -9 at any instant it is simply done again. Failures are BrokerErrors: ERR_PROVIDER_* (tried again with
 * back-off), ERR_CONFLICT (the target is not as the definition says: parked until an operator looks), never text of the target in `detail`.
 */
export interface RotationTarget {
  /** Canonical places that it may change, compared with the connection's `locators`: `roles/app_a`. Empty where nothing but the provider changes. */
  readonly locators: readonly string[];
  /**
   * `two`: the old credential goes on working until `retire` (alternating users, key pairs); `one`: `set` ends it, and with it the connections of
   * who still holds it.
   */
  readonly slots: 'one' | 'two';
  /** Whether create, set and test can run on a credential that is never promoted while the current one goes on working. */
  readonly drillable: boolean;
  /** How long what it makes is good for by itself, as a certificate is: it rotates before that. Absent: until something ends it. */
  readonly lifetimeSeconds?: number;
  /**
   * The next value: all keys of `current` that this target does not own, and the new credential. Compares hosts first: a current value that names
   * another host than the connection's is ERR_CONFLICT `host_mismatch`, one with a copy of what is made anew `stale_copy`. Changes nothing at the target, except where the target itself makes the
   * credential (an access key): such a target finds and removes what an earlier try left before it makes another.
   */
  create(turn: RotationTurn): Promise<SecretData>;
  /** Makes the target accept `pending`: first looks whether it already does. */
  set(turn: RotationTurn, pending: SecretData): Promise<void>;
  /** Logs in with `data`, and checks what it is for as far as the options say. Changes nothing. */
  test(data: SecretData, context: CallContext): Promise<TargetVerdict>;
  /** Ends `previous` at the target; `turn.current` is what must go on working. With one slot there is nothing left to do. */
  retire(turn: RotationTurn, previous: SecretData): Promise<void>;
  /** Takes `pending` back, so that it no longer works and `turn.current` does: an abort, a roll-back, the end of a drill. */
  discard(turn: RotationTurn, pending: SecretData): Promise<void>;
}
