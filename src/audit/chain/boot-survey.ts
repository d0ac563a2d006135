import type { BootReference, HeadReference } from '../../domain/audit/audit-actions.ts';
import type { Store } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { LOG } from '../../ports/queries.ts';
import type { Boot } from './boot.ts';
import { splitEntries } from '../records/entry.ts';
import type { LogIdentity } from '../records/log-identity.ts';
import { storedCheckpoint } from '../log/stored-tree.ts';

/** The most heads in one entry. More than one for each live replica is already rare. */
const MOST_HEADS = 64;
const STOP = ',"action":"broker.stop",';

/** The result of reading earlier boots. */
export interface BootSurvey {
  /** The `boot` fact of this boot's `broker.start`. */
  readonly boot: BootReference;
  /** The newest other boot, unless its last entry is `broker.stop`: it crashed, or it is a live replica. It needs a `recovery` entry. */
  readonly unfinished: HeadReference | undefined;
}

function headOf(batch: Tables['audit_batches']): HeadReference {
  const seq = batch.first_seq + batch.count - 1;
  return { writer: batch.writer, seq, head: Buffer.from(batch.head).toString('hex') };
}

/** Heads of the boots whose last entries are not in the tree. */
async function pendingHeads(store: Store): Promise<readonly HeadReference[]> {
  const writers = await store.pendingWriters();
  const heads: HeadReference[] = [];
  for (const writer of writers.slice(0, MOST_HEADS)) {
    const [batch] = await store.list(LOG.lastBatchOf(writer), { limit: 1 });
    if (batch !== undefined) heads.push(headOf(batch));
  }
  return heads;
}

/**
 * Links this boot to all earlier boots: the checkpoint covers the entries in the tree, and the heads cover the entries after it. Runs
 * before the boot's first commit.
 * @throws ERR_CIPHERTEXT_INVALID if the stored checkpoint is not the log's.
 */
export async function surveyLog(
  store: Store,
  log: LogIdentity,
  boot: Boot,
  release: string,
): Promise<BootSurvey> {
  const checkpoint = await storedCheckpoint(store, log.verifier);
  const heads = await pendingHeads(store);
  const [newest] = await store.list(LOG.newestBatch(), { limit: 1 });
  const { publicKey: key, endorsement } = boot;
  const treeSize = checkpoint?.size ?? 0;
  const treeRoot = Buffer.from(checkpoint?.root ?? []).toString('base64');
  return {
    boot: { release, key, endorsement, treeSize, treeRoot, heads },
    unfinished: newest === undefined || isFinished(newest) ? undefined : headOf(newest),
  };
}

function isFinished(batch: Tables['audit_batches']): boolean {
  return splitEntries(batch.entries).at(-1)?.includes(STOP) === true;
}
