import { constantTimeEqual } from '../../crypto/hashes/digest.ts';
import {
  isOriginOf,
  openCheckpoint,
  openLogCheckpoint,
  verifierOf,
  type Checkpoint,
} from '../../crypto/log/checkpoint.ts';
import { leafHash } from '../../crypto/log/merkle.ts';
import { TILE_WIDTH } from '../../crypto/log/tiles.ts';
import { BrokerError } from '../../domain/errors.ts';
import { LOG } from '../../ports/queries.ts';
import type { CheckpointStorage } from '../../ports/checkpoint-storage.ts';
import type { Store } from '../../ports/store.ts';

import { GrowingLog } from './growing-log.ts';
import type { LastCommit, LastCommitFile } from '../records/last-commit.ts';
import type { Anchor, LogAnchor } from './log-anchor.ts';
import { LoggedState, stateAt } from './logged-state.ts';
import type { LogIdentity } from '../records/log-identity.ts';
import { ProvenEntries } from './proven-entries.ts';
import { ReadIndex } from './read-index.ts';
import { SearchIndex } from './search-index.ts';
import { openTree, readRoot, storedCheckpoint, type SignedCheckpoint } from './stored-tree.ts';

/** Reasons why the broker must not serve from the store before an operator has checked it. */
export type HeldReason =
  /** The schema differs from that of the migrations: a trigger, for example, could undo committed changes. `release` does not remove this reason. */
  | 'schema_differs'
  /** The installation exists but has no log: the log's tables were emptied. */
  | 'log_missing'
  /** The store has no anchor, has fewer entries than that or than the checkpoint outside it, or that checkpoint has another origin: it was rolled back or replaced. */
  | 'store_behind'
  /** The store's entries differ from those of the checkpoint outside, or of the anchor. */
  | 'store_forked'
  /** The store has a checkpoint but the one outside is missing: nothing proves that the store is the newest. */
  | 'checkpoint_missing'
  /** The log key did not sign the checkpoint outside, or no root key authenticates the anchor: it belongs to another installation, or was altered. */
  | 'checkpoint_foreign'
  /** The store lacks the last entry that the broker acknowledged: its write-ahead log was cut or damaged. */
  | 'commits_missing'
  /** The log key signed the store's checkpoint under another origin than that of the configuration. `release` does not remove this reason. */
  | 'origin_differs'
  /** The store's own checkpoint, tiles or entries are inconsistent. `release` does not remove this reason. */
  | 'log_damaged';

/** Returns 'damaged' only for a failed integrity check: an unreachable store is not held. */
async function unlessDamaged<T>(work: () => Promise<T>): Promise<T | 'damaged'> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'ERR_CIPHERTEXT_INVALID') return 'damaged';
    throw error;
  }
}

/** The references with which the log of the store is compared. */
export interface Expected {
  readonly log: LogIdentity;
  readonly outside: CheckpointStorage;
  /** Undefined while the store is being initialised, when it may have no log. */
  readonly anchor: LogAnchor | undefined;
  /** Undefined if other processes may write to the store. */
  readonly lastCommit: LastCommitFile | undefined;
}

/** The extent of the log according to each place that records it. */
export interface LogExtent {
  /** Checkpoint in the file outside the store; undefined if there is no file. */
  readonly outside: Checkpoint | 'foreign' | undefined;
  /** Extent in the row of `meta` that a root key authenticates. */
  readonly anchored: Anchor | 'foreign' | undefined;
  /** Extent of the newest checkpoint in the store. */
  readonly stored: Anchor | 'damaged' | undefined;
  /** The last acknowledged entry, from the file beside the checkpoint file. */
  readonly acknowledged: LastCommit | 'unreadable' | undefined;
}

/**
 * Reads the three places in the reverse order of their writes. If another replica appends meanwhile, only the later reads can be larger.
 */
export async function logExtent(store: Store, expected: Expected): Promise<LogExtent> {
  const { log, anchor } = expected;
  const note = await expected.outside.read();
  const outside = note && (await openOutside(note, log));
  const anchored = await unlessDamaged(() => Promise.resolve(anchor?.read(store)));
  const stored = await unlessDamaged(() => storedCheckpoint(store, log.verifier));
  return {
    outside: outside === '' ? 'foreign' : outside,
    anchored: anchored === 'damaged' ? 'foreign' : anchored,
    stored,
    acknowledged: expected.lastCommit?.read(),
  };
}

/** A checkpoint of the place outside the store; 'foreign' if the log key did not sign it. */
async function openOutside(note: string, log: LogIdentity): Promise<Checkpoint | 'foreign'> {
  const opened = await unlessDamaged(() =>
    Promise.resolve().then(() => openLogCheckpoint(note, log.configured.verifier)),
  );
  return opened === 'damaged' ? 'foreign' : opened;
}

/**
 * Compares a running log with a checkpoint that another process wrote outside the store meanwhile. That process wrote to the store first, so the store
 * must contain it. @returns its size, or the reason why the store must be held
 */
export async function compareOutside(
  store: Store,
  log: LogIdentity,
  note: string,
): Promise<number | HeldReason> {
  const outside = await openOutside(note, log);
  if (outside === 'foreign') return 'checkpoint_foreign';
  if (outside.origin !== log.origin) return 'store_behind';
  const stored = await unlessDamaged(() => storedCheckpoint(store, log.verifier));
  if (stored === 'damaged') return 'log_damaged';
  return (await differenceFrom(store, outside, stored?.size ?? 0)) ?? outside.size;
}

/**
 * Reason why the store is held. Undefined if it is at or ahead of the checkpoint outside and of its anchor, and has the same entries and the last
 * acknowledged one.
 */
export async function heldReason(
  store: Store,
  expected: Expected,
): Promise<HeldReason | undefined> {
  const extent = await logExtent(store, expected);
  const { outside, anchored, stored } = extent;
  const unusable = unusablePlace(extent, expected.anchor === undefined);
  if (unusable !== undefined) return preciseReason(unusable, store, expected.log);
  // The origin changes at a release. If the store or the file is from before it, the two are different histories.
  if (typeof outside === 'object' && outside.origin !== expected.log.origin) return 'store_behind';
  const earlier = [outside, anchored].filter((each) => typeof each === 'object');
  const size = typeof stored === 'object' ? stored.size : 0;
  if (earlier.some((each) => each.size > size)) return 'store_behind';
  if (outside === undefined && stored !== undefined) return 'checkpoint_missing';
  for (const each of earlier) {
    const reason = await differenceFrom(store, each, size);
    if (reason !== undefined) return reason;
  }
  return (await expected.lastCommit?.isIn(store)) === false ? 'commits_missing' : undefined;
}

/** A checkpoint of another origin looks damaged to the key of the configured one. */
async function preciseReason(
  reason: HeldReason,
  store: Store,
  log: LogIdentity,
): Promise<HeldReason> {
  const isOther = reason === 'log_damaged' && (await otherOrigin(store, log)) !== undefined;
  return isOther ? 'origin_differs' : reason;
}

/** The part that a release appends to the origin of the configuration. */
const RELEASED = /\/\d{8}T\d{9}Z$/;

/** The origin of the configuration under which the log key signed the store's checkpoint; undefined if that is the present one, or if the key did not sign it. */
export async function otherOrigin(
  store: Pick<Store, 'list'>,
  { configured }: Pick<LogIdentity, 'configured'>,
): Promise<string | undefined> {
  const [row] = await store.list(LOG.newestCheckpoints(), { limit: 1 });
  const [origin = ''] = row?.note.split('\n', 1) ?? [];
  if (row === undefined || isOriginOf(configured.origin, origin)) return undefined;
  try {
    openCheckpoint(row.note, origin, [verifierOf(origin, configured.signer.key.publicKey)]);
    return origin.replace(RELEASED, '');
  } catch {
    return undefined;
  }
}

/** The reason if one of the places is missing or belongs to another installation. */
function unusablePlace(
  { outside, anchored, stored }: LogExtent,
  isNew: boolean,
): HeldReason | undefined {
  if (stored === 'damaged') return 'log_damaged';
  if (stored === undefined && !isNew) return 'log_missing';
  if (anchored === 'foreign' || outside === 'foreign') return 'checkpoint_foreign';
  return anchored === undefined && !isNew ? 'store_behind' : undefined;
}

/** Reason why a stored log of `size` entries does not continue the log of an earlier checkpoint; undefined if it does. */
export async function differenceFrom(
  store: Store,
  earlier: Anchor,
  size: number,
): Promise<HeldReason | undefined> {
  if (earlier.size > size) return 'store_behind';
  const root = await unlessDamaged(() => readRoot(store, earlier.size));
  if (root === 'damaged') return 'log_damaged';
  return constantTimeEqual(root, earlier.root) ? undefined : 'store_forked';
}

/** A sealed broker continues to record. It can neither read nor write the digests of its log, so the next start reads the entries. */
function unlessSealed(error: unknown): LoggedState {
  if (error instanceof BrokerError && error.code === 'ERR_SEALED') return new LoggedState();
  throw error;
}

/** The log as the integrator continues it. */
export interface OpenedLog {
  readonly log: GrowingLog;
  readonly checkpoint: SignedCheckpoint | undefined;
}

/** @throws ERR_CIPHERTEXT_INVALID if checkpoint, tiles and entries are inconsistent. */
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
  const reads = await ReadIndex.open(store, size);
  const index = new SearchIndex(reads);
  const bundleStart = size - (size % TILE_WIDTH);
  if (checkpoint !== undefined) {
    const begun = await new ProvenEntries(store).readSome(checkpoint, bundleStart, size);
    begun.entries.forEach((entry, i) => {
      if (entry !== undefined)
        index.add(bundleStart + i, entry, leafHash(Buffer.from(entry, 'latin1')));
    });
  }
  const state =
    anchor === undefined
      ? new LoggedState()
      : await stateAt(store, checkpoint, anchor).catch(unlessSealed);
  return { log: new GrowingLog(tree, { index, reads }, state), checkpoint };
}
