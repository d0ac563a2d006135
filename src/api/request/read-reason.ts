import type { Caller } from '../../broker/access/call.ts';
import { LiveSession } from '../../broker/state/session-memory.ts';
import { BrokerError } from '../../domain/errors.ts';
import { remark } from './fields.ts';

/** The reason for which an operator reads a value. */
export const readReason = remark.min(1);

/** Refuses a reason of a workload: an application could fill the log with texts. @throws ERR_REQUEST_INVALID */
export function checkReason(caller: Caller, reason: string | undefined): void {
  if (reason === undefined || !(caller instanceof LiveSession)) return;
  throw new BrokerError('ERR_REQUEST_INVALID', 'a workload cannot give a reason for a read', {
    reason: 'workload_reason',
  });
}
