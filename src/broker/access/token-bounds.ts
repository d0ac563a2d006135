import { isCovered, parseCidr } from '../../domain/network/cidr.ts';
import { BrokerError, type Problem } from '../../domain/errors.ts';
import { narrowGrants, type Grant, type Operator } from '../../domain/identity/principal.ts';
import type { OperatorToken } from '../state/operator-token-memory.ts';

/**
 * A new token must not outlive the token that mints it, or be accepted from more networks. It must not grant its own operator more than the
 * minting token carries. Otherwise an attacker with brief access to a short-lived admin token could keep access permanently.
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
  // An admin decides what other operators hold. For its own operator, a restricted token grants no more than it carries itself.
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

/** An empty list means every network. */
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
