import { BrokerError } from '../../domain/errors.ts';
import type { Caller } from './call.ts';
import type { Access } from '../state/dependencies.ts';

/** An agent keeps what it has and asks again after this time. */
const RETRY_SECONDS = 30;

/**
 * Refuses a suspended caller what it does not have yet. Its sessions and leases stay, so its application runs on until an operator decides. Call it after
 * the policies allowed the request: a caller without access learns nothing.
 * @throws ERR_SUSPENDED
 */
export function refuseSuspended(parts: Pick<Access, 'quarantines'>, caller: Caller): void {
  if (isSuspended(parts, caller)) throw suspended();
}

export function isSuspended({ quarantines }: Pick<Access, 'quarantines'>, caller: Caller): boolean {
  return quarantines.suspending(caller.fences) !== undefined;
}

export function suspended(): BrokerError {
  return new BrokerError('ERR_SUSPENDED', undefined, {
    reason: 'suspended',
    retryAfterSeconds: RETRY_SECONDS,
  });
}
