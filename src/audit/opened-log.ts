import { constantTimeEqual } from '../crypto/digest.ts';
import { openCheckpoint } from '../crypto/checkpoint.ts';
import { TILE_WIDTH } from '../crypto/tiles.ts';
import { BrokerError } from '../domain/errors.ts';
import type { Store } from '../ports/store.ts';
import type { CheckpointFile } from './checkpoint-file.ts';
import { readEntries } from './entry-reader.ts';
import { GrowingLog } from './growing-log.ts';
import type { LogIdentity } from './log-identity.ts';
import { SearchIndex } from './search-index.ts';
import { openTree, rootOf, storedCheckpoint, type SignedCheckpoint } from './stored-tree.ts';

/** Why the store must not be served from before an operator looked at it. */
export type HeldReason =
  /** The store has fewer entries than the checkpoint kept outside it: it was rolled back, or replaced. */
  | 'store_behind'
  /** The store's entries are not the ones that the checkpoint outside was signed over. */
  | 'store_forked'
  /** There is no checkpoint outside although the store has one: nothing shows that the store is the newest. */
  | 'checkpoint_missing'
  /** The log key did not sign the checkpoint outside: another log's, or altered. */
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

/** Compares the store with the checkpoint outside it; undefined when the store is at or ahead of it and holds the same entries. */
export async function heldReason(
  store: Store,
  log: LogIdentity,
  file: CheckpointFile,
): Promise<HeldReason | undefined> {
  const stored = await unlessDamaged(() => storedCheckpoint(store, log.verifier));
  if (stored === 'damaged') return 'log_damaged';
  const note = await file.read();
  if (note === undefined) return stored === undefined ? undefined : 'checkpoint_missing';
  const outside = await unlessDamaged(() =>
    Promise.resolve().then(() => openCheckpoint(note, log.origin, [log.verifier])),
  );
  if (outside === 'damaged') return 'checkpoint_foreign';
  if ((stored?.size ?? 0) < outside.size) return 'store_behind';
  const root = await unlessDamaged(() => rootOf(store, outside.size));
  if (root === 'damaged') return 'log_damaged';
  return constantTimeEqual(root, outside.root) ? undefined : 'store_forked';
}

/** The log as the integrator continues it. */
export interface OpenedLog {
  readonly log: GrowingLog;
  readonly checkpoint: SignedCheckpoint | undefined;
}

/** @throws ERR_CIPHERTEXT_INVALID when checkpoint, tiles and entries do not fit together. */
export async function openLog(store: Store, log: LogIdentity): Promise<OpenedLog> {
  const checkpoint = await storedCheckpoint(store, log.verifier);
  const size = checkpoint?.size ?? 0;
  const tree = await openTree(store, size);
  if (checkpoint !== undefined && !constantTimeEqual(tree.root(), checkpoint.root))
    throw new BrokerError('ERR_CIPHERTEXT_INVALID');
  const index = new SearchIndex();
  const bundleStart = size - (size % TILE_WIDTH);
  const begun = await readEntries(store, bundleStart, size);
  begun.forEach((entry, i) => {
    index.add(bundleStart + i, entry);
  });
  return { log: new GrowingLog(tree, index), checkpoint };
}
