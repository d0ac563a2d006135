import { BrokerError } from '../../domain/errors.ts';
import { isUnder, parseSecretPath } from '../../domain/names.ts';
import type { Page, PageRequest } from '../../domain/page.ts';
import { mayListUnder } from '../../domain/policy/index.ts';
import type { SecretListing } from '../../domain/secret.ts';
import type { ListedPage } from '../../ports/secret-provider.ts';
import type { StoredDocument } from '../documents/document.ts';
import type { Call, Caller } from '../call.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { denied, judge } from './judge.ts';
import { recordOperation } from '../recording/operation.ts';
import type { Parts } from '../parts.ts';
import { LiveSession } from '../sessions/session-memory.ts';

export interface ListedSecret {
  readonly path: string;
  readonly version?: string;
}

/** Most names read from backends for one page: what lies beyond is on the next page, however few of these may be shown. */
const MOST_READ = 2_000;
/** Most that one page may cost at backends, in reads: what is left is on the next page. */
const MOST_COST = 1_000;
const CHUNK = 200;

/** Where a list stands: in which mount, at which page of its backend, after how many names of that page. */
interface Position {
  readonly prefix: string;
  readonly after?: string | undefined;
  readonly taken: number;
}

interface Listing {
  readonly parts: Parts;
  readonly call: Call;
  readonly caller: Caller;
  readonly prefix: string;
  readonly limit: number;
  readonly charge: (reads: number) => void;
}

/**
 * Names below a prefix that the caller may list, one mount after another, in the backends' order. Each name is decided by itself before
 * paging, so that a page says nothing of what is hidden. `charge` is called with what the page cost at backends, in reads, which is known only
 * afterwards. @throws ERR_DENIED, ERR_PATH_INVALID, ERR_REQUEST_INVALID, ERR_PROVIDER_*
 */
export async function listSecrets(
  parts: Parts,
  call: Call,
  caller: Caller,
  query: {
    readonly prefix: string;
    readonly page: PageRequest;
    readonly charge: (reads: number) => void;
  },
): Promise<Page<ListedSecret>> {
  const { prefix, page, charge } = query;
  if (prefix !== '') parseSecretPath(prefix);
  const list = `secrets/${prefix}`;
  return recordOperation(
    { parts, call, caller },
    { action: 'secret.list', path: prefix },
    async (now) => {
      if (!mayListAny(parts, now, prefix)) throw denied('no_rule');
      const from = decodeCursor(parts, list, page.after) as Position | undefined;
      const listing = { parts, call, caller: now, prefix, limit: page.limit, charge };
      const { items, next } = await collect(listing, from);
      return next === undefined ? { items } : { items, next: encodeCursor(parts, list, next) };
    },
  );
}

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

/** Adds the names that may be shown until the page is full; returns how many were looked at. */
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
      collected.items.push({ path, ...version(name) });
  }
  return names.length;
}

function version(listed: SecretListing): { readonly version?: string } {
  return listed.version === undefined ? {} : { version: listed.version };
}

function isWithin({ prefix }: Listing, path: string): boolean {
  return prefix === '' || isUnder(path, prefix);
}

function mayList({ parts, call, caller }: Listing, path: string): boolean {
  return judge(parts, call, caller, { capability: 'list', path }).allowed;
}

/** The bounds of the connection hold for names as for values; what has no place at the backend cannot be read either. */
function isReadable({ parts }: Listing, mount: StoredDocument<'mount'>, path: string): boolean {
  try {
    return parts.connections.isWithin(mount, path);
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'ERR_PATH_INVALID') return false;
    throw error;
  }
}

async function readNames(
  { parts, call, prefix }: Listing,
  mount: StoredDocument<'mount'>,
  after: string | undefined,
): Promise<ListedPage> {
  const root = `${mount.spec.prefix}/`;
  const below = prefix.startsWith(root) ? prefix.slice(root.length) : '';
  if (!mayAsk(parts, mount, below)) return { items: [], cost: 0 };
  return parts.connections.provider(mount).list(below, { after, limit: CHUNK }, call.context());
}

/** A backend is not asked for names below a place that the bounds leave out: the answer may need a value, as the keys of a Kubernetes Secret do. */
function mayAsk({ connections }: Parts, mount: StoredDocument<'mount'>, below: string): boolean {
  try {
    return connections.reaches(mount, below);
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'ERR_PATH_INVALID') return true;
    throw error;
  }
}

/**
 * Mounts with names below the prefix, in prefix order, from where the list stands. One in which the caller may list nothing is not asked:
 * its backend's failure would tell of it.
 */
function mountsFrom(
  { parts, caller, prefix }: Listing,
  from: string | undefined,
): readonly StoredDocument<'mount'>[] {
  return [...parts.catalog.mounts.touching(prefix)]
    .filter(({ spec }) => from === undefined || spec.prefix >= from)
    .filter(({ spec }) => mayListAny(parts, caller, spec.prefix))
    .sort((left, right) => (left.spec.prefix < right.spec.prefix ? -1 : 1));
}

function mayListAny(parts: Parts, caller: Caller, prefix: string): boolean {
  if (caller instanceof LiveSession) {
    return mayListUnder(caller.view(parts.catalog.policies), prefix === '' ? undefined : prefix);
  }
  return caller.operator.grants.some(
    ({ role, scope }) =>
      ['secret-reader', 'secret-editor', 'admin'].includes(role) &&
      (scope.length === 0 ||
        scope.some((own) => prefix === '' || isUnder(own, prefix) || isUnder(prefix, own))),
  );
}
