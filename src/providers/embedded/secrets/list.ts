import { BrokerError } from '../../../domain/errors.ts';
import { isSecretPath } from '../../../domain/names.ts';
import type { Page, PageRequest } from '../../../domain/page.ts';
import type { SecretListing } from '../../../domain/secret.ts';
import { type EmbeddedParts, verifyHead, type SecretHead } from './rows.ts';
import { SECRETS } from '../../../ports/queries.ts';

/** A page stops after this many rounds, so that it does not walk all deleted secrets. */
const MAX_ROUNDS = 10;

/** Live secrets below `mount`/`prefix` in path order. A page may be below its limit and still have a `next`. */
export async function listSecrets(
  parts: EmbeddedParts,
  mount: string,
  prefix: string,
  page: PageRequest,
): Promise<Page<SecretListing>> {
  if (prefix !== '' && !isSecretPath(prefix)) throw new BrokerError('ERR_PATH_INVALID');
  const base = prefix === '' ? `${mount}/` : `${mount}/${prefix}/`;
  const items: SecretListing[] = [];
  let after = page.after;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const rows = await headsAfter(parts, base, after, page.limit - items.length);
    for (const row of rows) {
      const head = verifyHead(parts.keyring, row);
      after = head.path;
      if (head.current_version !== null) items.push(listing(head, mount));
    }
    if (rows.length === 0) return { items };
    if (items.length >= page.limit) break;
  }
  return { items, next: after };
}

function headsAfter(
  parts: EmbeddedParts,
  base: string,
  after: string | undefined,
  limit: number,
): Promise<readonly SecretHead[]> {
  return parts.store.list(SECRETS.below(base), {
    limit,
    after: after === undefined ? undefined : { path: after },
  });
}

function listing(head: SecretHead, mount: string): SecretListing {
  return { name: head.path.slice(mount.length + 1), version: String(head.current_version) };
}
