import { HASH_BYTES, leafHash } from '../../crypto/log/merkle.ts';
import type { VerifyingKey } from '../../crypto/signatures/signing.ts';
import { TILE_WIDTH } from '../../crypto/log/tiles.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { LogCheckpoint } from '../../ports/audit-log.ts';
import { headOf } from '../records/batch-heads.ts';
import type { Announcement } from '../records/boot-announcement.ts';
import { ChainVerifier } from '../records/chain-verifier.ts';
import { splitEntries } from '../records/entry.ts';
import { Findings } from '../records/finding.ts';
import type { ProvenEntries } from './proven-entries.ts';
import type { PlacedBatch } from '../records/segment.ts';
import type { StoredRow } from '../records/stored-batches.ts';
import { batchesOf, placeOf, type ArchiveContent } from '../records/archive-object.ts';

export interface ContentChecks {
  readonly checkpoint: LogCheckpoint;
  readonly proven: ProvenEntries;
  readonly logKey: VerifyingKey;
  /** Finds the announcement of a writer whose first entry is not in the object. */
  readonly announced: (writer: string) => Promise<Announcement | undefined>;
  /** Called after each bundle of 256 entries: lets other work run. */
  readonly pause: (done: number) => Promise<void>;
}

/**
 * Checks every entry against the tree, the chain of each writer, and each batch's signature, before anything of the store is removed.
 * @throws ERR_CIPHERTEXT_INVALID, which names the damaged segment or batch
 */
export async function checkContent(content: ArchiveContent, checks: ContentChecks): Promise<void> {
  const check = new ContentCheck(content, checks);
  for (const row of content.rows) await check.row(row);
  check.end();
}

class ContentCheck {
  readonly #content: ArchiveContent;
  readonly #checks: ContentChecks;
  readonly #findings = new Findings();
  readonly #chain: ChainVerifier;
  readonly #writers = new Set<string>();
  #next: number | undefined;
  #tile: Uint8Array | undefined;

  constructor(content: ArchiveContent, checks: ContentChecks) {
    this.#content = content;
    this.#checks = checks;
    this.#chain = new ChainVerifier(checks.logKey, this.#findings);
  }

  async row(row: StoredRow): Promise<void> {
    const batches = batchesOf(row);
    if (batches === undefined) throw damaged(`${placeOf(row)} cannot be decoded`);
    for (const batch of batches) await this.#batch(batch, row);
  }

  end(): void {
    const { first, end } = this.#content;
    const next = this.#next ?? first;
    if (next < end) throw damaged(`entries ${next} to ${end - 1} are not in the store`);
  }

  async #batch(batch: PlacedBatch, row: StoredRow): Promise<void> {
    const { first_index, row: body } = batch;
    const expected = this.#next ?? Math.min(first_index, this.#content.first);
    if (first_index !== expected)
      throw damaged(`entries ${expected} to ${first_index - 1} are not in the store`);
    const entries = splitEntries(body.entries);
    if (entries.length !== body.count)
      throw damaged(`${placeOf(row)} does not have the entries that it counts`);
    const isContinued = body.first_seq > 1 && !this.#writers.has(body.writer);
    this.#writers.add(body.writer);
    const announced = isContinued ? await this.#checks.announced(body.writer) : undefined;
    this.#chain.begin(first_index, { ...headOf(batch), ...announced });
    for (const [offset, entry] of entries.entries())
      await this.#entry(first_index + offset, entry, row);
    this.#next = first_index + entries.length;
    const [finding] = this.#findings.all;
    if (finding !== undefined)
      throw damaged(`${placeOf(row)} does not verify: ${finding.message} (entry ${finding.index})`);
  }

  async #entry(index: number, entry: string, row: StoredRow): Promise<void> {
    const bytes = Buffer.from(entry, 'latin1');
    this.#chain.entry(index, bytes);
    const { first, end } = this.#content;
    if (index < first || index >= end) return;
    const at = (index % TILE_WIDTH) * HASH_BYTES;
    if (at === 0 || this.#tile === undefined) this.#tile = await this.#leavesAt(index);
    if (!leafHash(bytes).equals(this.#tile.subarray(at, at + HASH_BYTES)))
      throw damaged(`${placeOf(row)} does not verify: entry ${index} is not what was recorded`);
    if ((index + 1) % TILE_WIDTH === 0) await this.#checks.pause(index + 1 - first);
  }

  async #leavesAt(index: number): Promise<Uint8Array> {
    const { proven, checkpoint } = this.#checks;
    const bundle = Math.floor(index / TILE_WIDTH);
    const tile = await proven.leaves(checkpoint, bundle);
    if (tile !== undefined) return tile;
    throw damaged(
      `entries ${bundle * TILE_WIDTH} to ${(bundle + 1) * TILE_WIDTH - 1} do not hash to what the checkpoint signs`,
    );
  }
}

function damaged(what: string): BrokerError {
  return new BrokerError('ERR_CIPHERTEXT_INVALID', `the audit log is damaged: ${what}`, {
    reason: 'log_damaged',
    isDetailShown: true,
  });
}
