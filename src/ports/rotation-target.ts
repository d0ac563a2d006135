import type { SecretData } from '../domain/secrets/secret.ts';
import type { CallContext } from './call-context.ts';

/** A connection of the configuration file at which the broker rotates credentials. It knows a host, but no policy, audit or schedule. */
export interface RotationConnection {
  readonly name: string;
  readonly kind: string;
  /**
   * Creates the target of one definition. It validates the definition's `options` strictly and sends nothing.
   * @throws ERR_BODY_INVALID with `problems`, whose pointers are relative to `options`; `/strategy` means an unknown strategy.
   */
  target(strategy: string, options: unknown): RotationTarget;
}

/** One attempt at a step. */
export interface RotationTurn {
  /**
   * Id of the rotation, the same in every attempt. Names that a rotation creates at the target derive from it, so that a later attempt finds them.
   */
  readonly rotationId: string;
  /** Start of the rotation, in milliseconds since the epoch. Any older object at the target is not from this rotation. */
  readonly startedAt: number;
  /** The value that works now and is current in the provider; undefined if there is none yet. */
  readonly current: SecretData | undefined;
  readonly context: CallContext;
  /** The rotation was started or accelerated because a credential leaked. The target must close all sessions of the previous credential. */
  readonly isIncident: boolean;
  /**
   * Call this immediately before each statement or request that changes the target.
   * @throws ERR_CONFLICT with the reason `claim_lost` if another process has taken over this rotation.
   */
  stillOurs(): void;
}

/**
 * Result of testing whether the target accepts a credential and grants its purpose. If the target cannot be reached, the call throws ERR_PROVIDER_*
 * instead.
 */
export type TargetVerdict =
  | { readonly accepted: true }
  /**
   * `reason` is a stable word (`login_refused`, `grants_missing`, …) without any text of the target. `missing` names the privilege that is missing
   * and its object, such as `SELECT on public.orders`.
   */
  | { readonly accepted: false; readonly reason: string; readonly missing?: string };

/**
 * The steps of a rotation at one target. The broker stores the value before `set`, and the result of each step before it starts the next. Every step
 * is idempotent, so the broker repeats it after kill -9 at any instant. Failures are BrokerErrors and never hold text of the target in `detail`:
 * - ERR_PROVIDER_*: the broker retries with back-off.
 * - ERR_CONFLICT: the target differs from the definition. The broker parks the rotation until an operator acts.
 */
export interface RotationTarget {
  /**
   * Canonical locators that the target may change, such as `roles/app_a`. The broker compares them with the connection's `locators`. Empty if only
   * the provider changes.
   */
  readonly locators: readonly string[];
  /**
   * `two`: the old credential keeps working until `retire` (alternating users, key pairs). `one`: `set` revokes the old credential, and terminates
   * the connections that use it.
   */
  readonly slots: 'one' | 'two';
  /** True if create, set and test can run on a credential that is never promoted while the current one keeps working. */
  readonly drillable: boolean;
  /** The lifetime of what the target creates, such as a certificate. The broker rotates before it expires. Absent: the credential does not expire. */
  readonly lifetimeSeconds?: number;
  /**
   * Returns the next value: the new credential, and all keys of `current` that this target does not own. It compares hosts first: ERR_CONFLICT
   * `host_mismatch` if the current value names a host other than the connection's. ERR_CONFLICT `stale_copy` means that the value has a copy of the
   * credential to rotate. It changes nothing at the target, unless the target itself generates the credential (an access key). Such a target first
   * finds and removes what an earlier attempt left.
   */
  create(turn: RotationTurn): Promise<SecretData>;
  /** Makes the target accept `pending`. It first checks whether the target already does. */
  set(turn: RotationTurn, pending: SecretData): Promise<void>;
  /** Logs in with `data` and checks its purpose as far as the options define it. Changes nothing. */
  test(data: SecretData, context: CallContext): Promise<TargetVerdict>;
  /** Revokes `previous` at the target; `turn.current` must keep working. With one slot, `set` has already revoked it. */
  retire(turn: RotationTurn, previous: SecretData): Promise<void>;
  /** Revokes `pending`, and keeps `turn.current` working. Used by an abort, a rollback and the end of a drill. */
  discard(turn: RotationTurn, pending: SecretData): Promise<void>;
}
