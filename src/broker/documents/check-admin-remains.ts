import { BrokerError } from '../../domain/errors.ts';
import { liveAdminTokens, usableAdminBindings } from '../access/ways-in.ts';
import type { StoredDocument } from '../model/document.ts';
import { grantsAdmin } from '../recording/granting.ts';
import type { Access, People, Storage } from '../state/dependencies.ts';

type WayInParts = Storage & People & Pick<Access, 'catalog' | 'tokens' | 'quarantines'>;

/**
 * Requires that an admin remains who can log in. Only an admin creates operators, so a broker without one can be repaired only by `init`. For an outage
 * of the issuer of people, one operator must remain whose token still works.
 * @param next undefined if the document is deleted
 * @throws ERR_CONFLICT if the change would remove the last operator with the role admin, or the last way in of an admin
 */
export async function checkAdminRemains(
  parts: WayInParts,
  current: StoredDocument | undefined,
  next: StoredDocument | undefined,
): Promise<void> {
  if (current === undefined || !grantsAdmin(current)) return;
  if (next !== undefined && grantsAdmin(next)) return;
  if (current.kind === 'operator') await checkOperators(parts, current.name);
  else await checkBindings(parts, current.name);
}

async function checkOperators(parts: WayInParts, removed: string): Promise<void> {
  const others = parts.catalog.all('operator').filter(({ name }) => name !== removed);
  if (!others.some(grantsAdmin)) {
    throw new BrokerError(
      'ERR_CONFLICT',
      `"${removed}" is the last operator with the role admin; create another admin first`,
    );
  }
  const live = await liveAdminTokens(parts);
  // If all tokens have expired, the change loses no way in.
  if (live.length === 0 || live.some(({ operator }) => operator !== removed)) return;
  const [other] = others.filter(grantsAdmin);
  throw new BrokerError(
    'ERR_CONFLICT',
    `only "${removed}" has a live token with the role admin; create one of another operator first: quaymaster operator token create ${other?.name ?? ''}`,
  );
}

async function checkBindings(parts: WayInParts, removed: string): Promise<void> {
  const usable = usableAdminBindings(parts);
  if (!usable.some(({ name }) => name === removed) || usable.length > 1) return;
  if ((await liveAdminTokens(parts)).length > 0) return;
  throw new BrokerError(
    'ERR_CONFLICT',
    `role binding "${removed}" is the last way in of an admin: no operator has a live token with the role admin; create one first`,
  );
}
