import { isDeepStrictEqual } from 'node:util';
import { BrokerError } from '../../domain/errors.ts';
import { holdsEverywhere, holdsFor } from '../../domain/identity/principal.ts';
import { isCuttingOff, type Decoy, type DefinitionSpec } from '../../domain/secrets/definition.ts';
import { policyScope, type AccessPolicy } from '../../domain/policy/index.ts';
import { denied } from '../access/judge.ts';
import { ClusterEditor } from '../access/cluster-editor.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';
import type { StoredDocument } from '../model/document.ts';
import type { DocumentKind } from '../model/kinds.ts';

/**
 * Checks whether the operator may change or read the document. A scoped policy-editor reads and saves only policies entirely inside its
 * scope. The caller of this function checks the old form and the new form.
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

/** Reports whether the operator may send a document of this name at all. The scope of a policy is known only from its body. */
export function maySend(live: LiveOperator, kind: DocumentKind, name: string): boolean {
  if (kind !== 'policy') return mayTouch(live, kind, name);
  return live.operator.grants.some(({ role }) => role === 'policy-editor' || role === 'admin');
}

export function mayTouch(
  { operator, own }: LiveOperator,
  kind: DocumentKind,
  name: string,
  policy?: AccessPolicy,
): boolean {
  switch (kind) {
    case 'cluster':
    case 'mount':
      return holdsEverywhere(operator, 'admin');
    case 'operator':
    case 'role-binding':
      // An elevation ends, and must not decide who has rights.
      return holdsEverywhere(own, 'admin');
    case 'definition':
      return holdsFor(operator, 'secret-editor', name);
    case 'posture-profile':
    case 'response-rule':
      return holdsEverywhere(operator, 'policy-editor');
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
 * Reports whether the operator may create a policy of this name. All editors share one namespace, so a free name would reveal which
 * names are taken. A scoped editor therefore creates only names that begin with its scope: `kv.team` and `kv.team.…` for
 * `kv/team`.
 */
export function mayCreatePolicy(live: LiveOperator, name: string): boolean {
  const { operator } = live;
  if (live instanceof ClusterEditor) return name.startsWith(live.policyPrefix);
  if (holdsEverywhere(operator, 'policy-editor')) return true;
  return operator.grants
    .filter(({ role }) => role === 'policy-editor')
    .flatMap(({ scope }) => scope.map((prefix) => prefix.toLowerCase().replaceAll('/', '.')))
    .some((own) => name === own || name.startsWith(`${own}.`));
}

/**
 * Checks whether the editor of a definition may make its decoy cut off readers. Everyone who may read the path can be made to read it, so a scoped editor
 * would otherwise cut off workloads and operators outside its scope. An editor may keep a decoy that a responder wrote.
 * @throws ERR_DENIED
 */
function authorizeDecoy(
  { operator }: LiveOperator,
  decoy: Decoy | undefined,
  current: Decoy | undefined,
): void {
  if (decoy === undefined || !isCuttingOff(decoy)) return;
  if (isDeepStrictEqual(decoy, current) || holdsEverywhere(operator, 'responder')) return;
  throw new BrokerError(
    'ERR_DENIED',
    `a decoy with the action "${decoy.action}" needs the role responder without a scope; use the action "audit", or ask a responder to apply the definition`,
    { reason: 'decoy_role', isDetailShown: true },
  );
}

/** Checks whether the operator may write a document with this content. @throws ERR_DENIED */
export function authorizeSpec(
  live: LiveOperator,
  { kind, name }: { readonly kind: DocumentKind; readonly name: string },
  spec: unknown,
  current: StoredDocument | undefined,
): void {
  authorizeDocument(live, kind, name, kind === 'policy' ? (spec as AccessPolicy) : undefined);
  if (kind === 'definition') authorizeDecoy(live, decoyOf(spec), decoyOf(current?.spec));
}

function decoyOf(spec: unknown): Decoy | undefined {
  return (spec as DefinitionSpec | undefined)?.decoy;
}
