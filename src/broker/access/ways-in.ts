import { OPERATOR_TOKENS } from '../../ports/queries.ts';
import { listAll } from '../kernel/list-all.ts';
import type { StoredDocument } from '../model/document.ts';
import type { Access, People, Rights, Storage } from '../state/dependencies.ts';
import type { OperatorToken } from '../state/operator-token-memory.ts';

/** Changes of the ways in are decided one after another: two that each leave the other's way would together leave none. */
export const OPERATORS_FENCE = 'operators:all';

type TokenParts = Storage & Pick<Access, 'catalog' | 'tokens' | 'quarantines'>;

/** Lists the live tokens that carry the role admin, of operators outside quarantine. They work while the issuer of people does not. */
export async function liveAdminTokens(parts: TokenParts): Promise<readonly OperatorToken[]> {
  const now = parts.clock.now();
  const live: OperatorToken[] = [];
  for (const operator of parts.catalog.all('operator')) {
    const { name, spec } = operator;
    if (!spec.grants.some(({ role }) => role === 'admin')) continue;
    if (parts.quarantines.covering([`operator:${name}`]) !== undefined) continue;
    for await (const row of listAll(parts.store, OPERATOR_TOKENS.ofOperator(name))) {
      if (row.ends_at <= now) continue;
      const token = parts.tokens.open(row);
      const carried = await parts.tokens.grantsOf(token, operator);
      if (carried.some(({ role }) => role === 'admin')) live.push(token);
    }
  }
  return live;
}

/** Lists the role bindings that give admin to people of a configured issuer. */
export function usableAdminBindings({
  catalog,
  people,
}: Pick<Rights, 'catalog'> & People): readonly StoredDocument<'role-binding'>[] {
  return catalog
    .all('role-binding')
    .filter(
      ({ spec }) =>
        'issuer' in spec &&
        people.issuers.has(spec.issuer) &&
        spec.grants.some(({ role }) => role === 'admin'),
    );
}
