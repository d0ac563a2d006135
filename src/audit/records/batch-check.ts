import { sha256Hex } from '../../crypto/hashes/digest.ts';
import type { VerifyingKey } from '../../crypto/signatures/signing.ts';
import { positionText } from './entry.ts';
import { batchMessage } from './signed-messages.ts';

/** The position in a writer's chain: its last checked entry. */
export interface ChainPosition {
  readonly writer: string;
  readonly seq: number;
  /** SHA-256 of the entry `seq`, hexadecimal. */
  readonly head: string;
}

/** The position after `entries`, or the sequence number of the first that does not follow its predecessor. */
export function followChain(
  from: ChainPosition,
  entries: readonly string[],
): ChainPosition | { readonly brokenAt: number } {
  const { writer } = from;
  let { seq, head } = from;
  for (const entry of entries) {
    seq += 1;
    if (!entry.startsWith(positionText({ writer, seq, prev: head }))) return { brokenAt: seq };
    head = sha256Hex(entry);
  }
  return { writer, seq, head };
}

/** Reports whether the boot's key signed this position as the end of a batch. */
export function isSigned(
  position: ChainPosition,
  signature: Uint8Array,
  key: VerifyingKey,
): boolean {
  return key.verifies(batchMessage(position.writer, position.seq, position.head), signature);
}
