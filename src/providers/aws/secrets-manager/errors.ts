import { BrokerError } from '../../../domain/errors.ts';
import { AwsRefusal } from '../errors.ts';

/** Of a read or write: a secret that is scheduled for deletion answers InvalidRequestException, and is gone for us. */
export function readError(error: unknown): unknown {
  if (!(error instanceof BrokerError) || !(error.cause instanceof AwsRefusal)) return error;
  if (error.cause.errorName !== 'InvalidRequestException') return error;
  return new BrokerError('ERR_NOT_FOUND', undefined, { cause: error.cause });
}

const ITEM_CODES: Readonly<Record<string, 'ERR_NOT_FOUND' | 'ERR_PROVIDER_DENIED'>> = {
  AccessDeniedException: 'ERR_PROVIDER_DENIED',
  InvalidRequestException: 'ERR_NOT_FOUND',
  ResourceNotFoundException: 'ERR_NOT_FOUND',
};

/** What a batch answer says of one secret. */
export function itemError(errorCode: unknown): BrokerError {
  const known = typeof errorCode === 'string' && Object.hasOwn(ITEM_CODES, errorCode);
  const code = known ? ITEM_CODES[errorCode] : undefined;
  return new BrokerError(code ?? 'ERR_PROVIDER_FAILED', undefined, { reason: 'batch_item' });
}
