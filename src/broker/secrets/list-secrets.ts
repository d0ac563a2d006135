import { BrokerError } from '../../domain/errors.ts';
import { isUnder, parseSecretPath } from '../../domain/words/names.ts';
import type { Page, PageRequest } from '../../domain/page.ts';
import { mayListUnder } from '../../domain/policy/index.ts';
import type { Role } from '../../domain/identity/principal.ts';
import type { SecretListing } from '../../domain/secrets/secret.ts';
import type { ListedPage } from '../../ports/secret-provider.ts';
import { isKnownDecoy } from '../recording/decoys.ts';
import type { StoredDocument } from '../model/document.ts';
import type { Call, Caller } from '../access/call.ts';
import { decodeCursor, encodeCursor } from '../state/cursor.ts';
import { denied, judge } from '../access/judge.ts';
import { recordOperation } from '../recording/operation.ts';
import type { Access, Backends, Keys, Recording, Rights } from '../state/dependencies.ts';
import { LiveSession } from '../state/session-memory.ts';

export interface ListedSecret {
  readonly path: string;
  /** Version; of a deleted secret, the one that becomes current if it is restored. */
  readonly version?: string;
  /** Time of the destruction; only of a deleted secret. */
  readonly destroyAt?: number;
  /** True for a decoy; only for operators that may know it: `isKnownDecoy`. */
  readonly decoy?: true;
}

/** The most names read from backends for one page. The rest is on the next page, even if the caller may see few of these. */
const MOST_READ = 2_000;
/** The most that one page may cost at backends, in reads; the rest is on the next page. */
const MOST_COST = 1_000;
const CHUNK = 200;

/** The position of a list: the mount, the page of its backend, and the number of names taken from that page. */
interface Position {
  readonly prefix: string;
  readonly after?: string | undefined;
  readonly taken: number;
}

interface Listing {
  readonly parts: Rights & Pick<Backends, 'connections'>;
  readonly call: Call;
  readonly caller: Caller;
  readonly prefix: string;
  /** Lists deleted secrets that the caller may restore. */
  readonly deleted: boolean;
  readonly limit: number;
  readonly charge: (reads: number) => void;
}

/**
 * Lists names below a prefix that the caller may list, one mount after another, in the order of the backends. Each name is authorized
 * before paging, so that a page reveals nothing about hidden names. `charge` receives the cost of the page at the backends, in reads, which
 * is known only afterwards. A deleted name is shown only to a caller that may list it and restore it.
 * @throws ERR_DENIED, ERR_PATH_INVALID, ERR_REQUEST_INVALID, ERR_PROVIDER_*
 */
export async function listSecrets(
  parts: Recording & Access & Pick<Backends, 'connections'> & Pick<Keys, 'keyring'>,
  call: Call,
  caller: Caller,
  query: {
    readonly prefix: string;
    readonly deleted?: boolean;
    readonly page: PageRequest;
    readonly charge: (reads: number) => void;
  },
): Promise<Page<ListedSecret>> {
  const { prefix, deleted = false, page, charge } = query;
  if (prefix !== '') parseSecretPath(prefix);
  const list = `${deleted ? 'deleted-secrets' : 'secrets'}/${prefix}`;
  return recordOperation(
    { parts, call, caller },
    { action: 'secret.list', path: prefix },
    async (now) => {
      const listing = { parts, call, caller: now, prefix, deleted, limit: page.limit, charge };
      if (!mayListAny(listing, prefix)) throw denied('no_rule');
      const from = decodeCursor(parts, list, page.after) as Position | undefined;
      const { items, next } = await collect(listing, from);
      return next === undefined ? { items } : { items, next: encodeCursor(parts, list, next) };
    },
  );
}

const RESTORERS: readonly Role[] = ['secret-editor', 'admin'];
const LISTERS: readonly Role[] = ['secret-reader', ...RESTORERS];

interface Collected {
  readonly items: ListedSecret[];
  read: number;
  cost: number;
}

async function collect(
  listing: Listing,
  from: Position | undefined,
): Promise<{ readonly items: readonly ListedSecret[]; readonly next?: Position }> {
  const collected: Collected = { items: [], read: 0, cost: 0 };
  for (const mount of mountsFrom(listing, from?.prefix)) {
    const { prefix } = mount.spec;
    let position: Position | undefined = prefix === from?.prefix ? from : { prefix, taken: 0 };
    while (position !== undefined) {
      if (collected.cost >= MOST_COST) return { items: collected.items, next: position };
      const page = await readNames(listing, mount, position.after);
      const cost = page.cost ?? 1;
      collected.cost += cost;
      listing.charge(cost);
      const taken = take(listing, collected, mount, page.items.slice(position.taken));
      const stopped = position.taken + taken;
      if (stopped < page.items.length)
        return { items: collected.items, next: { ...position, taken: stopped } };
      position = page.next === undefined ? undefined : { prefix, after: page.next, taken: 0 };
    }
  }
  return { items: collected.items };
}

/** Adds visible names until the page is full; returns how many names it examined. */
function take(
  listing: Listing,
  collected: Collected,
  mount: StoredDocument<'mount'>,
  names: readonly SecretListing[],
): number {
  for (const [index, name] of names.entries()) {
    if (collected.items.length === listing.limit || collected.read === MOST_READ) return index;
    collected.read += 1;
    const path = `${mount.spec.prefix}/${name.name}`;
    if (isWithin(listing, path) && mayList(listing, path) && isReadable(listing, mount, path))
      collected.items.push({
        path,
        ...listedFields(name),
        ...(isShownAsDecoy(listing, path) && { decoy: true }),
      });
  }
  return names.length;
}

function listedFields({ version, destroyAt }: SecretListing): Omit<ListedSecret, 'path'> {
  return {
    ...(version !== undefined && { version }),
    ...(destroyAt !== undefined && { destroyAt }),
  };
}

function isShownAsDecoy({ parts, caller }: Listing, path: string): boolean {
  return !(caller instanceof LiveSession) && isKnownDecoy(parts, caller, path);
}

function isWithin({ prefix }: Listing, path: string): boolean {
  return prefix === '' || isUnder(path, prefix);
}

function mayList({ parts, call, caller, deleted }: Listing, path: string): boolean {
  const needed = deleted ? (['list', 'write'] as const) : (['list'] as const);
  return needed.every((capability) => judge(parts, call, caller, { capability, path }).allowed);
}

/** The bounds of the connection apply to names as to values. A path without a locator cannot be read. */
function isReadable({ parts }: Listing, mount: StoredDocument<'mount'>, path: string): boolean {
  try {
    return parts.connections.isWithin(mount, path);
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'ERR_PATH_INVALID') return false;
    throw error;
  }
}

async function readNames(
  { parts, call, prefix, deleted }: Listing,
  mount: StoredDocument<'mount'>,
  after: string | undefined,
): Promise<ListedPage> {
  const root = `${mount.spec.prefix}/`;
  const below = prefix.startsWith(root) ? prefix.slice(root.length) : '';
  if (!mayAsk(parts, mount, below)) return { items: [], cost: 0 };
  const provider = parts.connections.provider(mount);
  const page = { after, limit: CHUNK };
  if (!deleted) return provider.list(below, page, call.context());
  return provider.listDeleted?.(below, page, call.context()) ?? { items: [], cost: 0 };
}

/**
 * The broker lists no names below a locator outside the bounds. Listing may require reading a value, such as the keys of a
 * Kubernetes Secret.
 */
function mayAsk(
  { connections }: Pick<Backends, 'connections'>,
  mount: StoredDocument<'mount'>,
  below: string,
): boolean {
  try {
    return connections.reaches(mount, below);
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'ERR_PATH_INVALID') return true;
    throw error;
  }
}

/**
 * Mounts with names below the prefix, in prefix order, from the position of the list. A mount where the caller may list nothing is skipped,
 * because a failure of its backend would reveal it.
 */
function mountsFrom(
  listing: Listing,
  from: string | undefined,
): readonly StoredDocument<'mount'>[] {
  return [...listing.parts.catalog.mounts.touching(listing.prefix)]
    .filter(({ spec }) => from === undefined || spec.prefix >= from)
    .filter(({ spec }) => mayListAny(listing, spec.prefix))
    .sort((left, right) => (left.spec.prefix < right.spec.prefix ? -1 : 1));
}

function mayListAny({ parts, caller, deleted }: Listing, prefix: string): boolean {
  if (caller instanceof LiveSession) {
    return mayListUnder(caller.view(parts.catalog.policies), prefix === '' ? undefined : prefix);
  }
  return caller.operator.grants.some(
    ({ role, scope }) =>
      (deleted ? RESTORERS : LISTERS).includes(role) &&
      (scope.length === 0 ||
        scope.some((own) => prefix === '' || isUnder(own, prefix) || isUnder(prefix, own))),
  );
}
