import { isCovered, parseCidr } from '../../domain/cidr.ts';
import { BrokerError, type Problem } from '../../domain/errors.ts';
import { narrowGrants, type Grant, type Operator } from '../../domain/principal.ts';
import type { OperatorToken } from './operator-token-memory.ts';

/**
 * A token mints none that outlives it, is accepted from more networks, or grants its own operator more than it carries itself. Otherwise whoever has
 * a short-lived token of an admin for a moment keeps access for good.
 * @throws ERR_BODY_INVALID with the reason `token_bound`; each problem names the bound.
 */
export function checkTokenBounds(
  minter: Operator,
  held: readonly Grant[],
  { operator, spec, endsAt }: OperatorToken,
): void {
  const problems: Problem[] = [];
  if (endsAt > minter.endsAt) {
    const end = new Date(minter.endsAt).toISOString();
    problems.push({
      pointer: '/ttl',
      message: `would end after your own token, which ends ${end}`,
    });
  }
  if (!isWithinNetworks(spec.sourceCidrs, minter.sourceCidrs)) {
    const message = `must lie within the networks of your own token: ${minter.sourceCidrs.join(', ')}`;
    problems.push({ pointer: '/sourceCidrs', message });
  }
  // An admin decides what other operators hold; of its own operator a narrowed token gives no more than it has.
  const wanted = spec.grants === undefined ? held : narrowGrants(held, spec.grants);
  if (operator === minter.name && narrowGrants(minter.grants, wanted).length < wanted.length) {
    const roles = [...new Set(minter.grants.map(({ role }) => role))].join(', ');
    const message = `must lie within what your own token carries of this operator: ${roles}`;
    problems.push({ pointer: '/grants', message });
  }
  if (problems.length > 0) {
    throw new BrokerError('ERR_BODY_INVALID', undefined, { reason: 'token_bound', problems });
  }
}

/** No networks at all means everywhere. */
function isWithinNetworks(wanted: readonly string[], own: readonly string[]): boolean {
  if (own.length === 0) return true;
  const outer = own.map(parseCidr).filter((block) => block !== undefined);
  return (
    wanted.length > 0 &&
    wanted.every((text) => {
      const block = parseCidr(text);
      return block !== undefined && isCovered(block, outer);
    })
  );
}
