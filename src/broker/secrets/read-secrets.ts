import { BrokerError } from '../../domain/errors.ts';
import type { Lease } from '../../domain/secrets/lease.ts';
import { parseSecretPath } from '../../domain/words/names.ts';
import type { SecretVersion } from '../../domain/secrets/secret.ts';
import type { CallContext } from '../../ports/call-context.ts';
import { withDeadline } from '../../ports/deadline.ts';
import type { Plan, Write } from '../../ports/store.ts';
import { decoyOf, type Alarming, type DecoyAlarm } from '../recording/decoys.ts';
import { canaryValue } from './canary-value.ts';
import { allReady, whenReady, type Eventually } from '../kernel/eventually.ts';
import { grantLease, type GrantedLease } from '../leases/grant-lease.ts';
import { refusalOf, judge, type Verdict } from '../access/judge.ts';
import { isSuspended, refuseSuspended } from '../access/suspension.ts';
import { authorityEnd, type Call, type Caller } from '../access/call.ts';
import { recordFailure, type Acting } from '../recording/operation.ts';
import type { Access, Backends, Bounds, Recording, Rights, Values } from '../state/dependencies.ts';
import { commitAs, entryOf, type Attempt } from '../recording/record.ts';
import { refusalEntry } from '../recording/refusals.ts';
import { LiveSession } from '../state/session-memory.ts';
import type { Target } from '../state/target.ts';
import { cacheTerms, encodedLocator, leaseTtlMs, locatorAt, targetOf } from '../state/target.ts';
import type { Value } from '../state/value-cache.ts';

/** One requested secret; `version` undefined requests the current version. */
export interface ReadItem {
  readonly path: string;
  readonly version?: string | undefined;
  /** Position in the batch, for the log. */
  readonly index?: number;
  /** Reason of the operator, for the log. */
  readonly reason?: string | undefined;
}

/** A value as JSON bytes, and the lease under which the caller holds it (operators hold none). */
export interface Disclosure {
  readonly path: string;
  readonly value: Value;
  readonly lease: Lease | undefined;
  /** Findings of posture profiles in the mode `warn` at the caller's pod. */
  readonly warning?: string | undefined;
}

/** Limit of a shared read, longer than the deadline of any connection. */
const SHARED_READ_MS = 60_000;

type Result = Disclosure | BrokerError;
type ReadingParts = Recording &
  Access &
  Values &
  Alarming &
  Pick<Backends, 'connections'> &
  Pick<Bounds, 'quota'>;

/** One item that is decided and fetched, but not recorded yet. */
interface Prepared {
  readonly result: Result;
  /** The audit entry, or a function that makes the entry of a refusal, which is undefined if the refusal was counted. */
  readonly entry: string | (() => string | undefined);
  readonly grant?: GrantedLease;
  readonly alarm?: DecoyAlarm | undefined;
}

/**
 * Reads one secret. @throws ERR_DENIED, ERR_NOT_FOUND (only if the caller may read the path), ERR_PROVIDER_*, ERR_LEASE_QUOTA,
 * ERR_AUDIT_UNAVAILABLE.
 */
export async function readSecret(
  parts: ReadingParts,
  call: Call,
  caller: Caller,
  item: ReadItem,
): Promise<Disclosure> {
  parseSecretPath(item.path);
  let result: Result | undefined;
  try {
    result = await commitAs(parts, caller, (decidedAt, now) =>
      whenReady(prepare(parts, call, now, item), (prepared) =>
        attemptOf(now, decidedAt, [prepared], ([only]) => only),
      ),
    );
  } catch (error) {
    return recordUnread({ parts, call, caller }, [item], error);
  }
  if (result instanceof BrokerError) throw result;
  return result as Disclosure;
}

/** Records items of a batch that were refused before any decision, and returns the reasons. */
export async function refuseReads(
  acting: Acting,
  items: readonly ReadItem[],
  error: BrokerError,
): Promise<readonly Result[]> {
  await recordUnread(acting, items, error).catch((failure: unknown) => {
    if (failure !== error) throw failure;
  });
  return items.map(() => error);
}

async function recordUnread(
  acting: Acting,
  items: readonly ReadItem[],
  error: unknown,
): Promise<never> {
  const described = items.map(({ path, version, index: item, reason: comment }) => {
    return { action: 'secret.read', path, version, item, comment } as const;
  });
  return recordFailure(acting, described, error);
}

/** Reads several secrets. Each is decided, recorded and answered separately; all entries and leases commit together. */
export async function readSecrets(
  parts: ReadingParts & Backends,
  call: Call,
  caller: Caller,
  asked: readonly ReadItem[],
): Promise<readonly Result[]> {
  for (const item of asked) parseSecretPath(item.path);
  const items = asked.map((item, index) => ({ index, ...item }));
  return commitAs(parts, caller, (decidedAt, now) =>
    whenReady(fetchTogether(parts, call, now, items), (fetched) => {
      const prepared = items.map((item) =>
        prepare(parts, call, now, { ...item, fetched: fetched.get(item.path) }),
      );
      return whenReady(allReady(prepared), (all) =>
        attemptOf(now, decidedAt, all, (results) => results),
      );
    }),
  ).catch((error: unknown) => recordUnread({ parts, call, caller }, items, error));
}

function attemptOf<T>(
  caller: Caller,
  decidedAt: number,
  prepared: readonly Prepared[],
  settle: (results: readonly Result[]) => T,
): Attempt<T> {
  const planned = (): Plan | undefined => planOf(caller, decidedAt, prepared);
  const refuses = prepared.some(({ entry }) => typeof entry === 'function');
  return {
    plan: refuses ? planned : planned(),
    settle: () => {
      for (const { grant, alarm } of prepared) {
        grant?.committed?.();
        alarm?.committed();
      }
      return settle(prepared.map(({ result }) => result));
    },
    undo: () => {
      for (const { grant } of prepared) grant?.undo?.();
    },
  };
}

/** Every disclosed value has an entry. Undefined: all items were refused and counted. */
function planOf(
  caller: Caller,
  decidedAt: number,
  prepared: readonly Prepared[],
): Plan | undefined {
  const writes: Write[] = [];
  const entries: string[] = [];
  for (const { grant, entry: made, alarm } of prepared) {
    if (grant?.write !== undefined) writes.push(grant.write);
    const entry = typeof made === 'function' ? made() : made;
    if (entry !== undefined) entries.push(entry);
    if (alarm === undefined) continue;
    writes.push(alarm.write);
    entries.push(alarm.entry);
  }
  if (entries.length === 0) return undefined;
  return {
    decidedAt,
    reads: fencesOf(caller, prepared),
    notAfter: authorityEnd(caller),
    entries,
    ...(writes.length === 0 ? {} : { writes }),
  };
}

function fencesOf(caller: Caller, prepared: readonly Prepared[]): readonly string[] {
  const fences = [...caller.fences];
  for (const { result } of prepared) {
    if (!(result instanceof BrokerError))
      fences.push(`secret:${result.path}`, `definition:${result.path}`);
  }
  return fences;
}

interface Fetched {
  readonly secret: SecretVersion;
  /** The generation of the mount and definition that it was read through; it answers for no other generation. */
  readonly generation: string;
}

interface Item extends ReadItem {
  /** The answer of one backend call for several items. */
  readonly fetched?: Fetched | undefined;
}

/** Decides on one item, gets its value and its lease, and creates its entry. A refusal is also a result with an entry. */
function prepare(
  parts: ReadingParts,
  call: Call,
  caller: Caller,
  item: Item,
): Eventually<Prepared> {
  const verdict = judge(parts, call, caller, { capability: 'read', path: item.path });
  const refuse = (error: unknown): Prepared =>
    refused(parts, call, caller, { item, verdict, error });
  try {
    if (!verdict.allowed) throw refusalOf(verdict);
    if (!(caller instanceof LiveSession)) refuseSuspended(parts, caller);
    const target = targetOf(parts, item.path);
    const value = canaryValue(parts, caller, item) ?? valueOf(parts, call, target, item);
    const made = whenReady(value, (found) =>
      whenReady(
        leaseFor(parts, caller, { path: item.path, target, verdict, value: found }),
        (grant) => granted(parts, call, caller, { item, verdict, target, value: found, grant }),
      ),
    );
    return made instanceof Promise ? made.catch(refuse) : made;
  } catch (error) {
    return refuse(error);
  }
}

/** The session's lease for the version; operators hold none. */
function leaseFor(
  parts: Pick<Backends, 'clock' | 'connections'> &
    Pick<Access, 'quarantines'> &
    Pick<Bounds, 'quota'>,
  caller: Caller,
  read: {
    readonly path: string;
    readonly target: Target;
    readonly verdict: Verdict & { readonly allowed: true };
    readonly value: Value;
  },
): Eventually<GrantedLease | undefined> {
  if (!(caller instanceof LiveSession)) return undefined;
  const { path, target, verdict, value } = read;
  const { mount, definition } = target;
  return grantLease(parts, caller, {
    path,
    version: value.version,
    mountUid: mount.uid,
    generation: parts.connections.generation(mount, definition),
    ttlMs: leaseTtlMs(target, verdict.maxLeaseTtlSeconds),
    isNewAllowed: !isSuspended(parts, caller),
  });
}

function granted(
  parts: Pick<Recording, 'clock' | 'digest'> & Pick<Access, 'catalog'> & Alarming,
  call: Call,
  caller: Caller,
  read: {
    readonly item: Item;
    readonly verdict: Verdict & { readonly allowed: true };
    readonly target: Target;
    readonly value: Value;
    readonly grant: GrantedLease | undefined;
  },
): Prepared {
  const { item, verdict, target, value, grant } = read;
  const entry = entryOf(parts, call, caller, {
    action: 'secret.read',
    outcome: 'ok',
    path: item.path,
    version: value.version,
    mount: target.mount.name,
    locator: value.locator,
    lease: grant?.lease.id,
    policy: verdict.policy,
    posture: verdict.posture,
    fingerprint: value.fingerprint,
    fieldFingerprints: value.fieldFingerprints,
    item: item.index,
    comment: item.reason,
    endsAt: grant?.lease.endsAt,
  });
  const { warning } = verdict;
  const result = { path: item.path, value, lease: grant?.lease, ...(warning && { warning }) };
  const decoy = decoyOf(parts, target.definition);
  const alarm = decoy && parts.decoys.alarm(call, caller, { path: item.path, decoy });
  return { result, entry, ...(grant && { grant }), alarm };
}

function refused(
  parts: Recording & Pick<Backends, 'catalog' | 'connections'>,
  call: Call,
  caller: Caller,
  read: { readonly item: Item; readonly verdict: Verdict; readonly error: unknown },
): Prepared {
  const failure = BrokerError.from(read.error);
  const { path, version, index: item, reason: comment } = read.item;
  const { policy, allowed } = read.verdict;
  // If the caller may not read the path, nothing about it is looked up.
  const locator = allowed ? locatorAt(parts, path) : undefined;
  const described = {
    action: 'secret.read',
    path,
    version,
    locator,
    policy,
    item,
    comment,
  } as const;
  const entry = (): string | undefined => refusalEntry(parts, { call, caller }, described, failure);
  return { result: failure, entry };
}

/** The value of the item: a fresh one from memory, or the answer of the backend. */
function valueOf(
  parts: Values & Pick<Recording, 'clock' | 'digest'> & Pick<Backends, 'connections'>,
  call: Call,
  target: Target,
  item: Item,
): Eventually<Value> {
  const { mount, definition } = target;
  if (definition?.spec.class === 'dynamic') {
    throw new BrokerError('ERR_CONFLICT', 'this path issues credentials: POST /credentials/{path}');
  }
  const read = async (context: CallContext, fetched?: SecretVersion): Promise<Value> => {
    const locator = parts.connections.locate(mount, item.path, definition?.spec.ref);
    const provider = parts.connections.provider(mount);
    const secret = fetched ?? (await provider.read(locator, item.version, context));
    return parts.values.value(item.path, secret, encodedLocator(parts, mount, locator));
  };
  if (item.version !== undefined) return read(call.context());
  const terms = cacheTerms(target);
  const { fetched } = item;
  return parts.values.current(item.path, terms, async () => {
    if (fetched?.generation === terms.generation) return read(call.context(), fetched.secret);
    // Other callers may share this read, so it continues if the caller that started it disconnects.
    const { requestId, holder: caller } = call;
    return withDeadline(parts.clock, SHARED_READ_MS, (signal) =>
      read({ requestId, signal, caller }),
    );
  });
}

/** Reads several items that memory lacks, in one call to each backend. A failure is not lost: the item's own read meets it again. */
function fetchTogether(
  parts: Rights & Backends & Values,
  call: Call,
  caller: Caller,
  items: readonly ReadItem[],
): Eventually<ReadonlyMap<string, Fetched>> {
  const wanted = missing(parts, call, caller, items);
  return wanted.length < 2 ? NOTHING : fetchGroups(parts, call, wanted);
}

/** Fetches secrets of one mount in one call, if its provider can. */
async function fetchGroup(
  { connections }: Pick<Backends, 'connections'>,
  call: Call,
  group: readonly Wanted[],
  fetched: Map<string, Fetched>,
): Promise<void> {
  const [first] = group;
  if (first === undefined || group.length < 2) return;
  const { mount } = first.target;
  const provider = connections.provider(mount);
  if (provider.readMany === undefined) return;
  const locators = group.map(({ path, target }) =>
    connections.locate(mount, path, target.definition?.spec.ref),
  );
  const versions = await provider.readMany(locators, call.context());
  for (const [index, { path, target }] of group.entries()) {
    const secret = versions[index];
    if (secret === undefined || secret instanceof Error) continue;
    fetched.set(path, { secret, generation: cacheTerms(target).generation });
  }
}

async function fetchGroups(
  parts: Pick<Backends, 'connections' | 'log'>,
  call: Call,
  wanted: readonly Wanted[],
): Promise<ReadonlyMap<string, Fetched>> {
  const fetched = new Map<string, Fetched>();
  const groups = Map.groupBy(wanted, ({ target }) => target.mount);
  await Promise.all(
    [...groups].map(async ([mount, group]) => {
      try {
        await fetchGroup(parts, call, group, fetched);
      } catch (error) {
        parts.log.warn(
          { err: error, requestId: call.requestId, connection: mount.spec.connection },
          'reading several secrets in one call failed; reading them one by one',
        );
      }
    }),
  );
  return fetched;
}

interface Wanted {
  readonly path: string;
  readonly target: Target;
}

const NOTHING: ReadonlyMap<string, Fetched> = new Map();

/** Selects the items whose current value the caller may read and that are not in memory. */
function missing(
  parts: Rights & Values,
  call: Call,
  caller: Caller,
  items: readonly ReadItem[],
): readonly Wanted[] {
  const wanted: Wanted[] = [];
  for (const { path, version } of items) {
    const mount = parts.catalog.mounts.find(path);
    if (version !== undefined || mount === undefined) continue;
    const target = { mount, definition: parts.catalog.find('definition', path) };
    if (target.definition?.spec.class === 'dynamic') continue;
    if (parts.values.isKnown(path, cacheTerms(target))) continue;
    if (judge(parts, call, caller, { capability: 'read', path }).allowed)
      wanted.push({ path, target });
  }
  return wanted;
}
