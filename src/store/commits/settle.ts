import { BrokerError } from '../../domain/errors.ts';
import type { Outcome } from '../../ports/store.ts';
import type { PendingPlan } from './commit-queue.ts';

/** Reports the outcome of its plan to every caller of a durable batch. */
export function settleAll(
  batch: readonly PendingPlan[],
  outcomes: readonly (Outcome | BrokerError)[],
): void {
  batch.forEach((pending, index) => {
    const outcome = outcomes[index];
    if (outcome instanceof BrokerError) pending.reject(outcome);
    else if (outcome === undefined) pending.reject(new BrokerError('ERR_INTERNAL'));
    else pending.resolve(outcome);
  });
}

/** Rejects plans of which certainly nothing was committed. Callers may retry them. */
export function refuseAll(batch: readonly PendingPlan[], cause: unknown): void {
  for (const { plan, reject } of batch) {
    const records = plan.entries !== undefined && plan.entries.length > 0;
    reject(
      new BrokerError(records ? 'ERR_AUDIT_UNAVAILABLE' : 'ERR_STORE_UNAVAILABLE', undefined, {
        cause,
      }),
    );
  }
}

/**
 * Rejects plans if the outcome of their COMMIT is unknown, or arrived too late to separate the plans. Callers must not release anything and must
 * not retry.
 */
export function leaveUnknown(batch: readonly PendingPlan[], cause: unknown): void {
  for (const { reject } of batch) {
    reject(new BrokerError('ERR_OUTCOME_UNKNOWN', undefined, { cause }));
  }
}
