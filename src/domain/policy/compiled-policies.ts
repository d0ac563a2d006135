import { BrokerError } from '../errors.ts';
import type { StoredPolicy } from './access-policy.ts';

/** Every policy, indexed by whom it speaks of. Immutable: a change makes a new one, with a new revision. */
export interface CompiledPolicies {
  /** Differs between any two that could decide differently: compare it to know that a view is out of date. */
  readonly revision: symbol;
  readonly size: number;
}

/** @throws ERR_INTERNAL when two policies share a name. */
export function compilePolicies(_policies: readonly StoredPolicy[]): CompiledPolicies {
  throw new BrokerError('ERR_INTERNAL', 'not built');
}

/** Adds the policy, or replaces the one of the same name; costs no recompilation of the others. */
export function withPolicy(_compiled: CompiledPolicies, _stored: StoredPolicy): CompiledPolicies {
  throw new BrokerError('ERR_INTERNAL', 'not built');
}

export function withoutPolicy(_compiled: CompiledPolicies, _name: string): CompiledPolicies {
  throw new BrokerError('ERR_INTERNAL', 'not built');
}
