import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { AuditChain } from '../../ports/audit-chain.ts';
import type { Tables } from '../../ports/tables.ts';
import type { UnendorsedBoot } from './boot.ts';
import type { ChainedBatch } from '../records/chained-batch.ts';
import { FIRST_PREV, joinEntries, LONGEST_ENTRY } from '../records/entry.ts';
import type { LocalBatches } from '../records/local-batches.ts';
import { batchMessage } from '../records/signed-messages.ts';

interface Position {
  readonly seq: number;
  readonly head: string;
}

/**
 * The chain of one boot: each entry contains the SHA-256 of the previous one, and the last entry of each commit is signed. The cost is one
 * hash per entry and one signature per commit.
 */
class BootChain implements AuditChain {
  readonly #boot: UnendorsedBoot;
  readonly #own: LocalBatches | undefined;
  #durable: Position = { seq: 0, head: FIRST_PREV };
  /** Batches that are not known to be durable, oldest first. */
  readonly #staged: { readonly position: Position; readonly batch: ChainedBatch }[] = [];

  constructor(boot: UnendorsedBoot, own: LocalBatches | undefined) {
    this.#boot = boot;
    this.#own = own;
  }

  stage(bodies: readonly string[]): Tables['audit_batches'] {
    const { writer, key } = this.#boot;
    let { seq, head } = this.#staged.at(-1)?.position ?? this.#durable;
    if (seq === 0) requireAnnouncement(bodies[0]);
    const firstSeq = seq + 1;
    const entries: string[] = [];
    for (const body of bodies) {
      seq += 1;
      const entry = `{"writer":"${writer}","seq":${seq},"prev":"${head}",${body.slice(1)}`;
      if (entry.length > LONGEST_ENTRY)
        throw unrecordable('an entry is longer than the log allows');
      head = sha256Hex(entry);
      entries.push(entry);
    }
    const row = {
      writer,
      first_seq: firstSeq,
      count: bodies.length,
      entries: joinEntries(entries),
      head: Buffer.from(head, 'hex'),
      signature: key.sign(batchMessage(writer, seq, head)),
    };
    this.#staged.push({ position: { seq, head }, batch: { row, entries } });
    return row;
  }

  keep(): void {
    const oldest = this.#staged.shift();
    if (oldest === undefined) return;
    this.#durable = oldest.position;
    this.#own?.committed(oldest.batch);
  }

  drop(): void {
    this.#staged.pop();
  }
}

function unrecordable(why: string): BrokerError {
  return new BrokerError('ERR_AUDIT_UNAVAILABLE', undefined, { cause: new Error(why) });
}

/** Readers cannot check entries whose key was never announced. */
function requireAnnouncement(body: string | undefined): void {
  if (body?.includes(',"action":"broker.start",') !== true)
    throw unrecordable('the first entry of a boot is broker.start');
}

/** Starts the chain of this boot at sequence 1; its first entry must be `broker.start`. `own` receives each durable batch. */
export function createChain(boot: UnendorsedBoot, own?: LocalBatches): AuditChain {
  return new BootChain(boot, own);
}
