import { sha256Hex } from '../crypto/digest.ts';
import { BrokerError } from '../domain/errors.ts';
import type { AuditChain } from '../ports/audit-chain.ts';
import type { Tables } from '../ports/tables.ts';
import type { Boot } from './boot.ts';
import { FIRST_PREV, LONGEST_ENTRY } from './entry.ts';
import { batchMessage } from './signed-messages.ts';

interface Position {
  readonly seq: number;
  readonly head: string;
}

/**
 * The chain of one boot: each entry names the one before it by SHA-256, and each commit's last entry is signed. Costs one
 * hash an entry and one signature a commit.
 */
class BootChain implements AuditChain {
  readonly #boot: Boot;
  #durable: Position = { seq: 0, head: FIRST_PREV };
  #staged: Position | undefined;

  constructor(boot: Boot) {
    this.#boot = boot;
  }

  stage(bodies: readonly string[]): Tables['audit_batches'] {
    const { writer, key } = this.#boot;
    let { seq, head } = this.#durable;
    if (seq === 0) requireAnnouncement(bodies[0]);
    const firstSeq = seq + 1;
    let text = '';
    for (const body of bodies) {
      seq += 1;
      const entry = `{"writer":"${writer}","seq":${seq},"prev":"${head}",${body.slice(1)}`;
      if (entry.length > LONGEST_ENTRY)
        throw unrecordable('an entry is longer than the log allows');
      head = sha256Hex(entry);
      text += `${entry}\n`;
    }
    this.#staged = { seq, head };
    return {
      writer,
      first_seq: firstSeq,
      count: bodies.length,
      entries: Buffer.from(text),
      head: Buffer.from(head, 'hex'),
      signature: key.sign(batchMessage(writer, seq, head)),
    };
  }

  keep(): void {
    if (this.#staged !== undefined) this.#durable = this.#staged;
    this.#staged = undefined;
  }

  drop(): void {
    this.#staged = undefined;
  }
}

function unrecordable(why: string): BrokerError {
  return new BrokerError('ERR_AUDIT_UNAVAILABLE', undefined, { cause: new Error(why) });
}

/** Nobody could check entries whose key was never announced. */
function requireAnnouncement(body: string | undefined): void {
  if (body?.includes(',"action":"broker.start",') !== true)
    throw unrecordable('the first entry of a boot is broker.start');
}

/** Starts the chain of this boot at sequence 1; its first entry must be `broker.start`. */
export function createChain(boot: Boot): AuditChain {
  return new BootChain(boot);
}
