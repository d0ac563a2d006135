import type { Caller } from '../broker/call.ts';
import type { People, Storage } from '../broker/parts.ts';
import { LiveSession } from '../broker/sessions/session-memory.ts';
import { BrokerError } from '../domain/errors.ts';
import type { Operation } from './access.ts';

/**
 * A dangerous operation needs a recent login of the person, with one of the demanded contexts (RFC 9470). Operator tokens are exempt: no login
 * stands behind them.
 * @throws ERR_STEP_UP_REQUIRED
 */
export function requireStepUp(
  { people, clock }: People & Pick<Storage, 'clock'>,
  caller: Caller,
  { isDangerous }: Operation,
): void {
  if (!isDangerous || caller instanceof LiveSession || caller.person === undefined) return;
  const { maxAgeSeconds, acr } = people.stepUp;
  const { authTime, acr: own } = caller.person;
  const isRecent = authTime !== undefined && clock.now() / 1000 - authTime <= maxAgeSeconds;
  const isStrong = acr.length === 0 || (own !== undefined && acr.includes(own));
  if (isRecent && isStrong) return;
  const demands = [
    'error="insufficient_user_authentication"',
    ...(acr.length === 0 ? [] : [`acr_values="${acr.join(' ')}"`]),
    `max_age="${maxAgeSeconds}"`,
  ];
  throw new BrokerError('ERR_STEP_UP_REQUIRED', undefined, {
    reason: isRecent ? 'acr' : 'auth_time',
    challenge: `Bearer ${demands.join(', ')}`,
  });
}
