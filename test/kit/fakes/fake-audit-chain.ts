import { createHash } from 'node:crypto';
import type { AuditChain } from '../../../src/ports/audit-chain.ts';
import type { Tables } from '../../../src/ports/tables.ts';

/** Chains entries with plain hashes, and throws if a store breaks the order of stage, keep and drop. */
export class FakeAuditChain implements AuditChain {
  readonly writer: string;
  #seq = 0;
  #head: Uint8Array = new Uint8Array(32);
  #staged: Tables['audit_batches'] | undefined;
  kept = 0;
  dropped = 0;

  constructor(writer = `w-${process.pid}-${Math.random().toString(36).slice(2)}`) {
    this.writer = writer;
  }

  stage(bodies: readonly string[]): Tables['audit_batches'] {
    if (this.#staged !== undefined) throw new Error('a batch is staged already');
    const entries = Buffer.from(`${bodies.join('\n')}\n`);
    const head = createHash('sha256').update(this.#head).update(entries).digest();
    this.#staged = {
      writer: this.writer,
      first_seq: this.#seq,
      count: bodies.length,
      entries,
      head,
      signature: head,
    };
    return this.#staged;
  }

  keep(): void {
    const staged = this.#take();
    this.#seq += staged.count;
    this.#head = staged.head;
    this.kept += 1;
  }

  drop(): void {
    this.#take();
    this.dropped += 1;
  }

  #take(): Tables['audit_batches'] {
    const staged = this.#staged;
    if (staged === undefined) throw new Error('nothing is staged');
    this.#staged = undefined;
    return staged;
  }
}

/** Reads the bodies that a batch row contains. */
export function bodiesOf(row: Tables['audit_batches']): string[] {
  return Buffer.from(row.entries).toString().trimEnd().split('\n');
}
