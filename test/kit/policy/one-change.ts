import {
  compilePolicy,
  withChanges,
  type CompiledPolicies,
  type StoredPolicy,
} from '../../../src/domain/policy/index.ts';

/** The policies after one policy was written. */
export function withPolicy(compiled: CompiledPolicies, stored: StoredPolicy): CompiledPolicies {
  return withChanges(compiled, new Map([[stored.name, compilePolicy(stored)]]));
}

/** The policies after one was deleted. */
export function withoutPolicy(compiled: CompiledPolicies, name: string): CompiledPolicies {
  return withChanges(compiled, new Map([[name, undefined]]));
}
