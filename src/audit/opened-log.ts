import { constantTimeEqual } from '../crypto/digest.ts';
import { openCheckpoint } from '../crypto/checkpoint.ts';
import { TILE_WIDTH } from '../crypto/tiles.ts';
import { BrokerError } from '../domain/errors.ts';
import type { Store } from '../ports/store.ts';
import type { CheckpointFile } from './checkpoint-file.ts';
import { GrowingLog } from './growing-log.ts';
import { isMarked, type Anchor, type LogAnchor } from './log-anchor.ts';
import { LoggedState, stateAt } from './logged-state.ts';
import type { LogIdentity } from './log-identity.ts';
import { ProvenEntries } from './proven-entries.ts';
import { SearchIndex } from './search-index.ts';
import { openTree, rootOf, storedCheckpoint, type SignedCheckpoint } from './stored-tree.ts';

/** Why the store must not be served from before an operator looked at it. */
export type HeldReason =
  /** The schema is not the one that the migrations make: a trigger, say, could undo what is committed. No release lifts this. */
  | 'schema_differs'
  /** The installation exists, its log does not: the tables of the log were emptied. */
  | 'log_missing'
  /** The store has fewer entries than the checkpoint kept outside it, or than its anchor: it was rolled back, or replaced. */
  | 'store_behind'
  /** The store's entries are not the ones that the checkpoint outside, or the anchor, stands for. */
  | 'store_forked'
  /** There is no checkpoint outside although the store has one: nothing shows that the store is the newest. */
  | 'checkpoint_missing'
  /** The checkpoint outside is not signed by the log key, or the anchor not by a root key: another installation's, or altered. */
  | 'checkpoint_foreign'
  /** The store's own checkpoint, tiles or entries do not fit together. */
  | 'log_damaged';

/** Nothing but a failed integrity check counts as damage: a store that cannot be reached is not held. */
async function unlessDamaged<T>(work: () => Promise<T>): Promise<T | 'damaged'> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'ERR_CIPHERTEXT_INVALID') return 'damaged';
    throw error;
  }
}

/** What the store's log is compared with, and by. */
export interface Expected {
  readonly log: LogIdentity;
  readonly file: CheckpointFile;
  /** Undefined while the store is being initialised: then it may have no log. */
  readonly anchor: LogAnchor | undefined;
}

/** How far the log went, by each of the three places that say so. */
export interface LogExtent {
  /** By the checkpoint file outside the store; undefined: there is no file. */
  readonly outside: Anchor | 'foreign' | undefined;
  /** The file says that the store has an anchor: a store that lacks it is older, or the row was deleted. */
  readonly isMarked: boolean;
  /** By the row in `meta` that a root key authenticates. */
  readonly anchored: Anchor | 'foreign' | undefined;
  /** By the newest checkpoint in the store. */
  readonly stored: Anchor | 'damaged' | undefined;
}

/**
 * Reads the three places from the one written last to the one written first: another replica that appends meanwhile can only
 * make the later reads larger.
 */
export async function logExtent(store: Store, expected: Expected): Promise<LogExtent> {
  const { log, file, anchor } = expected;
  const note = await file.read();
  const outside = await unlessDamaged(() =>
    Promise.resolve().then(() => note && openCheckpoint(note, log.origin, [log.verifier])),
  );
  const anchored = await unlessDamaged(() => Promise.resolve(anchor?.read(store)));
  const stored = await unlessDamaged(() => storedCheckpoint(store, log.verifier));
  return {
    outside: outside === 'damaged' || outside === '' ? 'foreign' : outside,
    anchored: anchored === 'damaged' ? 'foreign' : anchored,
    stored,
    isMarked: note !== undefined && isMarked(note, log.origin),
  };
}

/** Why the store is held; undefined when it is at or ahead of the checkpoint outside and of its anchor, and holds the same entries. */
export async function heldReason(
  store: Store,
  expected: Expected,
): Promise<HeldReason | undefined> {
  const extent = await logExtent(store, expected);
  const { outside, anchored, stored } = extent;
  const unusable = unusablePlace(extent, expected.anchor === undefined);
  if (unusable !== undefined) return unusable;
  const earlier = [outside, anchored].filter((each) => typeof each === 'object');
  const size = typeof stored === 'object' ? stored.size : 0;
  if (earlier.some((each) => each.size > size)) return 'store_behind';
  if (outside === undefined && stored !== undefined) return 'checkpoint_missing';
  for (const each of earlier) {
    const reason = await differenceFrom(store, each);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/** One of the places is missing or not ours. */
function unusablePlace(
  { outside, anchored, stored, isMarked: marked }: LogExtent,
  isNew: boolean,
): HeldReason | undefined {
  if (stored === 'damaged') return 'log_damaged';
  if (stored === undefined && !isNew) return 'log_missing';
  if (anchored === 'foreign' || outside === 'foreign') return 'checkpoint_foreign';
  return marked && anchored === undefined && !isNew ? 'store_behind' : undefined;
}

async function differenceFrom(store: Store, earlier: Anchor): Promise<HeldReason | undefined> {
  const root = await unlessDamaged(() => rootOf(store, earlier.size));
  if (root === 'damaged') return 'log_damaged';
  return constantTimeEqual(root, earlier.root) ? undefined : 'store_forked';
}

/** A sealed broker goes on recording. It cannot read the digests of its log, and writes none: the next start reads the entries. */
function unlessSealed(error: unknown): LoggedState {
  if (error instanceof BrokerError && error.code === 'ERR_SEALED') return new LoggedState();
  throw error;
}

/** The log as the integrator continues it. */
export interface OpenedLog {
  readonly log: GrowingLog;
  readonly checkpoint: SignedCheckpoint | undefined;
}

/** @throws ERR_CIPHERTEXT_INVALID when checkpoint, tiles and entries do not fit together. */
export async function openLog(
  store: Store,
  log: LogIdentity,
  anchor: LogAnchor | undefined,
): Promise<OpenedLog> {
  const checkpoint = await storedCheckpoint(store, log.verifier);
  const size = checkpoint?.size ?? 0;
  const tree = await openTree(store, size);
  if (checkpoint !== undefined && !constantTimeEqual(tree.root(), checkpoint.root))
    throw new BrokerError('ERR_CIPHERTEXT_INVALID');
  const index = new SearchIndex();
  const bundleStart = size - (size % TILE_WIDTH);
  if (checkpoint !== undefined) {
    const begun = await new ProvenEntries(store).readSome(checkpoint, bundleStart, size);
    begun.entries.forEach((entry, i) => {
      if (entry !== undefined) index.add(bundleStart + i, entry);
    });
  }
  const state =
    anchor === undefined
      ? new LoggedState()
      : await stateAt(store, checkpoint, anchor).catch(unlessSealed);
  return { log: new GrowingLog(tree, index, state), checkpoint };
}
