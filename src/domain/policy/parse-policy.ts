import { BrokerError } from '../errors.ts';
import type { AccessPolicy } from './access-policy.ts';

/** Validates a document whole. @throws ERR_POLICY_INVALID with every problem, each at its JSON pointer. */
export function parsePolicy(_document: unknown): AccessPolicy {
  throw new BrokerError('ERR_INTERNAL', 'not built');
}
