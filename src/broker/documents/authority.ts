import { holdsEverywhere, holdsFor } from '../../domain/principal.ts';
import { policyScope, type AccessPolicy } from '../../domain/policy/index.ts';
import { denied } from '../secrets/judge.ts';
import type { LiveOperator } from '../sessions/operator-token-memory.ts';
import type { DocumentKind } from './kinds.ts';

/**
 * Who may change or read which documents. A scoped policy-editor sees and saves only policies that lie wholly inside its scope: the
 * caller asks for the old form and for the new one.
 * @throws ERR_DENIED
 */
export function authorizeDocument(
  live: LiveOperator,
  kind: DocumentKind,
  name: string,
  policy?: AccessPolicy,
): void {
  if (!mayTouch(live, kind, name, policy)) throw denied('no_role');
}

/** Whether the operator may send a document of this name at all: the scope of a policy is known only from its text. */
export function maySend(live: LiveOperator, kind: DocumentKind, name: string): boolean {
  if (kind !== 'policy') return mayTouch(live, kind, name);
  return live.operator.grants.some(({ role }) => role === 'policy-editor' || role === 'admin');
}

export function mayTouch(
  { operator }: LiveOperator,
  kind: DocumentKind,
  name: string,
  policy?: AccessPolicy,
): boolean {
  switch (kind) {
    case 'cluster':
    case 'mount':
    case 'operator':
      return holdsEverywhere(operator, 'admin');
    case 'definition':
      return holdsFor(operator, 'secret-editor', name);
    case 'policy':
      if (holdsEverywhere(operator, 'policy-editor')) return true;
      return (
        policy !== undefined &&
        operator.grants.some(({ role }) => role === 'policy-editor') &&
        policyScope(policy).every(
          (prefix) => prefix !== '' && holdsFor(operator, 'policy-editor', prefix),
        )
      );
  }
}

/**
 * Whether the operator may create a policy of this name. Policies of all editors share one set of names, so a free name would tell a scoped editor
 * which others are taken: such an editor creates policies under the names of the scope only, `kv.team` and `kv.team.…` for `kv/team`.
 */
export function mayCreatePolicy({ operator }: LiveOperator, name: string): boolean {
  if (holdsEverywhere(operator, 'policy-editor')) return true;
  return operator.grants
    .filter(({ role }) => role === 'policy-editor')
    .flatMap(({ scope }) => scope.map((prefix) => prefix.toLowerCase().replaceAll('/', '.')))
    .some((own) => name === own || name.startsWith(`${own}.`));
}
