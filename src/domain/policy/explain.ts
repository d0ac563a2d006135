import { BrokerError } from '../errors.ts';
import type { CompiledPolicies } from './compiled-policies.ts';
import type { AccessRequest } from './decision.ts';
import type { Explanation } from './explanation.ts';

/** The decision with its reasons; bounded in time and length, never for the denied caller. */
export function explain(_compiled: CompiledPolicies, _request: AccessRequest): Explanation {
  throw new BrokerError('ERR_INTERNAL', 'not built');
}
