import { grantsOf, type PolicyGrant } from '../../domain/policy/index.ts';
import { grantKey, readReplay, type Period, type Replayed } from './replay.ts';
import { allItems, type Source } from './source.ts';

type DatedGrant = PolicyGrant & { readonly changedAt: string };

/** The grants of all policies that no request of the log used. */
export async function unusedGrants(
  source: Source,
  period: Period,
): Promise<{
  readonly grants: number;
  readonly unused: readonly DatedGrant[];
  readonly replayed: Replayed;
}> {
  const policies = await allItems(source, 'listPolicies');
  const grants = policies.flatMap((policy) =>
    grantsOf(policy.document).map((grant) => ({ ...grant, changedAt: policy.updatedAt })),
  );
  const replayed = await readReplay(source, { period });
  const unused = grants.filter((grant) => !replayed.grants.has(grantKey(grant)));
  return { grants: grants.length, unused, replayed };
}
