import { BrokerError } from '../../domain/errors.ts';

/** The server or the value is not as the definition says: an operator has to look. */
export function conflict(reason: string, detail: string): BrokerError {
  return new BrokerError('ERR_CONFLICT', detail, { reason });
}
