import { setImmediate as loopTurn } from 'node:timers/promises';
import type { VerifyingKey } from '../../crypto/signatures/signing.ts';
import type { Store } from '../../ports/store.ts';
import { batchHeads, type PaddedBatch } from '../records/batch-heads.ts';
import { ChainVerifier } from '../records/chain-verifier.ts';
import { beginBatch, HeadReader, skipArchived } from '../proof/export-gaps.ts';
import { Findings, type Finding } from '../records/finding.ts';

/** Signatures that are checked in one turn: each takes about a tenth of a millisecond, during which no request is answered. */
const SIGNATURES_A_TURN = 16;

/**
 * Checks the chains and signatures of all batches during one walk over the log. The tree proves the entries, but a proof of who wrote them needs
 * these columns.
 */
export class BatchScrub {
  readonly #findings = new Findings();
  readonly #chain: ChainVerifier;
  readonly #heads: HeadReader;
  #reported = 0;

  /** Checks the entries `[live, size)`; those before `live` are archived. */
  constructor(
    store: Store,
    logKey: VerifyingKey,
    { live, size }: { readonly live: number; readonly size: number },
  ) {
    this.#chain = new ChainVerifier(logKey, this.#findings);
    const onPadded = (batch: PaddedBatch): void => this.#findings.add(paddedBatch(batch));
    this.#heads = new HeadReader(batchHeads(store, { start: live, end: size, live, onPadded }));
  }

  /** Checks the entries from `start` on; undefined stands for a damaged entry. @returns findings that are new. */
  async take(start: number, entries: readonly (string | undefined)[]): Promise<readonly Finding[]> {
    const chain = this.#chain;
    let signatures = 0;
    await skipArchived(start, this.#heads, chain);
    for (const [offset, entry] of entries.entries()) {
      const index = start + offset;
      const isMissing = entry === undefined;
      if (chain.wantsHead) await beginBatch(index, this.#heads, { chain, isMissing });
      if (isMissing) chain.missing(index);
      else chain.entry(index, Buffer.from(entry));
      if (chain.wantsHead) signatures += 1;
      if (signatures % SIGNATURES_A_TURN === SIGNATURES_A_TURN - 1) await loopTurn();
    }
    const found = this.#findings.all.slice(this.#reported);
    this.#reported = this.#findings.all.length;
    return found;
  }

  get damaged(): number {
    return this.#findings.count;
  }

  async close(): Promise<void> {
    await this.#heads.close();
  }
}

function paddedBatch({ head, lines }: PaddedBatch): Finding {
  const { writer, first_seq: seq, first_index: index, count } = head;
  const message = `the batch of boot "${writer}" at sequence ${seq} has ${lines} lines in the store, and ${count} in the log: lines were added to it`;
  return { what: 'batch_padded', message, index, writer, seq };
}
