import { BrokerError } from '../domain/errors.ts';
import type { Outcome } from '../ports/store.ts';
import type { PendingPlan } from './commit-queue.ts';

/** Tells every caller of a durable batch what became of its plan. */
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

/** For certain nothing of these plans happened: they may be made again. */
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

/** The end of their COMMIT is not known, or came too late to tell one from the other: nothing may be released, nothing made again. */
export function leaveUnknown(batch: readonly PendingPlan[], cause: unknown): void {
  for (const { reject } of batch) {
    reject(new BrokerError('ERR_OUTCOME_UNKNOWN', undefined, { cause }));
  }
}
