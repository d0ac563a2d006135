import { createHash } from 'node:crypto';
import type { AuditChain } from '../../../src/ports/audit-chain.ts';
import type { Tables } from '../../../src/ports/tables.ts';

/** Chains entries with plain hashes, and throws if a store keeps or drops what it did not stage. */
export class FakeAuditChain implements AuditChain {
  readonly writer: string;
  #seq = 0;
  #head: Uint8Array = new Uint8Array(32);
  readonly #staged: Tables['audit_batches'][] = [];
  kept = 0;
  dropped = 0;

  constructor(writer = `w-${process.pid}-${Math.random().toString(36).slice(2)}`) {
    this.writer = writer;
  }

  stage(bodies: readonly string[]): Tables['audit_batches'] {
    const last = this.#staged.at(-1);
    const entries = Buffer.from(`${bodies.join('\n')}\n`);
    const head = createHash('sha256')
      .update(last?.head ?? this.#head)
      .update(entries)
      .digest();
    const row = {
      writer: this.writer,
      first_seq: last === undefined ? this.#seq : last.first_seq + last.count,
      count: bodies.length,
      entries,
      head,
      signature: head,
    };
    this.#staged.push(row);
    return row;
  }

  keep(): void {
    const staged = present(this.#staged.shift());
    this.#seq += staged.count;
    this.#head = staged.head;
    this.kept += 1;
  }

  drop(): void {
    present(this.#staged.pop());
    this.dropped += 1;
  }
}

function present(row: Tables['audit_batches'] | undefined): Tables['audit_batches'] {
  if (row === undefined) throw new Error('nothing is staged');
  return row;
}

/** Reads the bodies that a batch row contains. */
export function bodiesOf(row: Tables['audit_batches']): string[] {
  return Buffer.from(row.entries).toString().trimEnd().split('\n');
}
