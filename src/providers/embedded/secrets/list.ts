import { BrokerError } from '../../../domain/errors.ts';
import { isSecretPath } from '../../../domain/words/names.ts';
import type { Page, PageRequest } from '../../../domain/page.ts';
import type { SecretListing } from '../../../domain/secrets/secret.ts';
import { type EmbeddedParts, verifyHead, type SecretHead } from './rows.ts';
import { SECRETS } from '../../../ports/queries.ts';

/** A page stops after this many rounds, so that it does not walk all secrets that are not listed. */
const MAX_ROUNDS = 10;

/** Live secrets below `mount`/`prefix` in path order. A page may be below its limit and still have a `next`. */
export function listSecrets(
  parts: EmbeddedParts,
  mount: string,
  prefix: string,
  page: PageRequest,
): Promise<Page<SecretListing>> {
  const listing = ({ path, current_version }: SecretHead): SecretListing | undefined =>
    current_version === null ? undefined : { ...nameOf(path, mount), ...numbered(current_version) };
  return listHeads(parts, { mount, prefix, page, listing });
}

/**
 * Deleted secrets that `undelete` can restore, with the version that becomes current then. Otherwise it lists as `listSecrets`
 * does.
 */
export function listDeletedSecrets(
  parts: EmbeddedParts,
  mount: string,
  prefix: string,
  page: PageRequest,
): Promise<Page<SecretListing>> {
  const now = parts.clock.now();
  const listing = (head: SecretHead): SecretListing | undefined => {
    const { path, current_version, deleted_version, destroy_at } = head;
    if (current_version !== null || destroy_at === null || destroy_at <= now) return undefined;
    return { ...nameOf(path, mount), ...numbered(deleted_version), destroyAt: destroy_at };
  };
  return listHeads(parts, { mount, prefix, page, listing });
}

interface HeadList {
  readonly mount: string;
  readonly prefix: string;
  readonly page: PageRequest;
  /** Builds the item of a list; undefined for a secret that is not part of the list. */
  readonly listing: (head: SecretHead) => SecretListing | undefined;
}

async function listHeads(
  parts: EmbeddedParts,
  { mount, prefix, page, listing }: HeadList,
): Promise<Page<SecretListing>> {
  if (prefix !== '' && !isSecretPath(prefix)) throw new BrokerError('ERR_PATH_INVALID');
  const base = prefix === '' ? `${mount}/` : `${mount}/${prefix}/`;
  const items: SecretListing[] = [];
  let after = page.after;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const rows = await listHeadsAfter(parts, base, after, page.limit - items.length);
    for (const row of rows) {
      const head = verifyHead(parts.keyring, row);
      after = head.path;
      const listed = listing(head);
      if (listed !== undefined) items.push(listed);
    }
    if (rows.length === 0) return { items };
    if (items.length >= page.limit) break;
  }
  return { items, next: after };
}

function listHeadsAfter(
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

function nameOf(path: string, mount: string): Pick<SecretListing, 'name'> {
  return { name: path.slice(mount.length + 1) };
}

function numbered(version: number | null): Pick<SecretListing, 'version'> {
  return version === null ? {} : { version: String(version) };
}
