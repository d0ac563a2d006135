import { BrokerError, type Problem } from '../../domain/errors.ts';
import { pointerTo } from '../../domain/words/json-pointer.ts';
import {
  compilePolicy,
  parsePolicy,
  PoliciesEdit,
  widenedGrants,
  type AccessPolicy,
  type CompiledPolicies,
  type WidenedGrant,
} from '../../domain/policy/index.ts';
import { mayCreatePolicy, mayTouch } from '../documents/authority.ts';
import { policyOf } from '../model/policy-form.ts';
import type { Rights, Storage } from '../state/dependencies.ts';
import { LoopYielder } from '../kernel/yield-to-loop.ts';
import { denied } from '../access/judge.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';

/** Changes of policies that are not saved. */
export interface Draft {
  /** Whole documents; each is added, or replaces the policy of its name. */
  readonly policies: readonly unknown[];
  /** Names of policies to remove. */
  readonly remove: readonly string[];
}

/** Policies after the changes, and the grants that the text of the changes widens. Policies of the draft have version 0. */
export interface OpenedDraft {
  /** The policies that the changes are made to. */
  readonly current: CompiledPolicies;
  readonly policies: CompiledPolicies;
  readonly widened: readonly WidenedGrant[];
}

/**
 * Checks a draft as if it were saved. An editor with a scope may try only what it may save, because each answer shows a decision.
 * @throws ERR_DENIED, ERR_POLICY_INVALID with the pointer of each problem
 */
export async function openDraft(
  { catalog, clock }: Pick<Rights, 'catalog'> & Pick<Storage, 'clock'>,
  live: LiveOperator,
  { policies, remove }: Draft,
): Promise<OpenedDraft> {
  const current = catalog.policies;
  const edit = new PoliciesEdit(current);
  const widened: WidenedGrant[] = [];
  const take = (name: string, policy: AccessPolicy | undefined): void => {
    const stored = policyOf(catalog.find('policy', name));
    authorize(live, name, [stored, policy]);
    const compiled = policy && compilePolicy({ name, version: 0, policy });
    edit.change(name, compiled);
    widened.push(...widenedGrants(current.policies.get(name), compiled));
  };
  const slices = new LoopYielder(clock);
  for (const policy of await parseAll(policies, slices)) {
    take(policy.metadata.name, policy);
    if (slices.isOver) await slices.next();
  }
  for (const name of remove) {
    take(name, undefined);
    if (slices.isOver) await slices.next();
  }
  return { current, policies: edit.done(), widened };
}

async function parseAll(
  policies: readonly unknown[],
  slices: LoopYielder,
): Promise<readonly AccessPolicy[]> {
  const problems: Problem[] = [];
  const parsed = new Map<string, AccessPolicy>();
  for (const [at, body] of policies.entries()) {
    const place = pointerTo(['draft', 'policies', at]);
    try {
      const policy = parsePolicy(body);
      const { name } = policy.metadata;
      if (parsed.has(name)) {
        problems.push({
          pointer: `${place}/metadata/name`,
          message: 'is the name of an earlier one',
        });
      }
      parsed.set(name, policy);
    } catch (error) {
      if (!(error instanceof BrokerError) || error.problems === undefined) throw error;
      problems.push(...error.problems.map((each) => ({ ...each, pointer: place + each.pointer })));
    }
    if (slices.isOver) await slices.next();
  }
  if (problems.length > 0) {
    throw new BrokerError('ERR_POLICY_INVALID', undefined, { problems: problems.slice(0, 100) });
  }
  return [...parsed.values()];
}

/**
 * Authorizes the change of a name. The refusal is the same for a name that exists outside the scope and for one that does not
 * exist.
 */
function authorize(
  live: LiveOperator,
  name: string,
  [stored, policy]: readonly [AccessPolicy | undefined, AccessPolicy | undefined],
): void {
  const isAllowed =
    (stored !== undefined || policy === undefined || mayCreatePolicy(live, name)) &&
    [stored, policy].every((each) => each === undefined || mayTouch(live, 'policy', name, each)) &&
    (stored !== undefined || policy !== undefined || mayCreatePolicy(live, name));
  if (!isAllowed) throw denied('no_role');
}
