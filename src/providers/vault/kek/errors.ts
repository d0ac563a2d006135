import { BrokerError } from '../../../domain/errors.ts';
import { VaultResponseError } from '../client/response-error.ts';

/** `detail` is for the operator who starts the broker: what to do about the key. */
export function sealed(cause: unknown, detail?: string): BrokerError {
  return new BrokerError('ERR_SEALED', detail, { cause });
}

/** Whether the engine refused the ciphertext itself: only then are bytes, key or associated data wrong. An unusable key has the same status. */
export function refusesCiphertext(error: unknown): boolean {
  if (!(error instanceof BrokerError) || !(error.cause instanceof VaultResponseError)) return false;
  return error.cause.status === 400 && !error.cause.says('key_unusable');
}
