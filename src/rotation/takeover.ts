import { BrokerError } from '../domain/errors.ts';
import type { SecretData } from '../domain/secret.ts';
import type { CallContext } from '../ports/call-context.ts';
import type { Parts } from '../broker/parts.ts';
import type { RotatingPlace } from './rotation-place.ts';

/**
 * Whether a rotation may change the accounts of its target. Without this, a definition that names somebody else's account makes the broker reset the
 * account's password, hand it to the readers of the path, and lock the owner out. Any of these shows that the accounts belong to the path:
 * a rotation or drill of the definition already tested a credential of the same accounts; an admin confirmed it; the stored value logs in. A stored value
 * proves one account only, so a pair of users is always confirmed.
 */
export async function ownsAccounts(
  { store }: Pick<Parts, 'store'>,
  { spec, target, definition }: Pick<RotatingPlace, 'spec' | 'target' | 'definition'>,
  current: SecretData | undefined,
  context: CallContext,
): Promise<boolean> {
  if (target.locators.length === 0 || spec.takeover === 'confirmed') return true;
  const schedule = await store.get('rotation_schedules', { path: definition.name });
  const isProven = (schedule?.rotated_at ?? schedule?.proven_at ?? null) !== null;
  if (isProven) return true;
  if (current === undefined || target.locators.length > 1) return false;
  return (await target.test(current, context)).accepted;
}

/** Parks the rotation; nothing at the target was changed. */
export function takeoverUnproven({ target }: Pick<RotatingPlace, 'target'>): BrokerError {
  const accounts = target.locators.join(', ');
  const proof = target.locators.length > 1 ? '' : 'store the current credential at this path, or ';
  return new BrokerError(
    'ERR_CONFLICT',
    `nothing shows that ${accounts} belongs to this path: ${proof}have an admin save the definition with "takeover: confirmed"; then retry`,
    { reason: 'takeover_unproven' },
  );
}
