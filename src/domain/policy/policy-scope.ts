import { BrokerError } from '../errors.ts';
import type { AccessPolicy } from './access-policy.ts';

/** The path prefixes, without repeats, that the policy's patterns can touch; '' stands for every path. */
export function policyScope(_policy: AccessPolicy): readonly string[] {
  throw new BrokerError('ERR_INTERNAL', 'not built');
}

/** Whether every pattern of the policy can only match at or below `scopePrefix`; false for the empty prefix. */
export function isPolicyWithin(_policy: AccessPolicy, _scopePrefix: string): boolean {
  throw new BrokerError('ERR_INTERNAL', 'not built');
}
