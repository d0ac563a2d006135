import type { BootReference, HeadReference } from '../domain/audit-actions.ts';
import type { Store } from '../ports/store.ts';
import type { Tables } from '../ports/tables.ts';
import { LOG } from '../ports/queries.ts';
import type { Boot } from './boot.ts';
import { splitEntries } from './entry.ts';
import type { LogIdentity } from './log-identity.ts';
import { storedCheckpoint } from './stored-tree.ts';
import { writersAfter } from './writer-scan.ts';

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

async function isIntegrated(store: Store, batch: Tables['audit_batches']): Promise<boolean> {
  const { writer, first_seq } = batch;
  const segments = await store.list(LOG.segmentOfBatch(writer, first_seq), { limit: 1 });
  return segments.length > 0;
}

async function lastBatch(
  store: Store,
  writer: string,
): Promise<Tables['audit_batches'] | undefined> {
  const [batch] = await store.list(LOG.lastBatchOf(writer), { limit: 1 });
  return batch;
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
  const heads: HeadReference[] = [];
  let newest: Tables['audit_batches'] | undefined;
  for await (const writer of writersAfter(store, '')) {
    const batch = await lastBatch(store, writer);
    if (batch === undefined) continue;
    newest = batch;
    if (heads.length < MOST_HEADS && !(await isIntegrated(store, batch))) heads.push(headOf(batch));
  }
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
