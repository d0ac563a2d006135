/**
 * What the log's keys sign besides checkpoints. Each message begins with a zero byte, which no signed note can hold
 * (C2SP signed-note: no control characters), so that none of them passes for a checkpoint, nor a checkpoint for one.
 */
const BATCH = '\0quaymaster/v1/audit-batch';
const BOOT = '\0quaymaster/v1/audit-boot';

/** The boot's own key over the last entry of a batch: `head` is its SHA-256 in hexadecimal. */
export function batchMessage(writer: string, lastSeq: number, head: string): Buffer {
  return Buffer.from(`${BATCH}\n${writer}\n${lastSeq}\n${head}\n`);
}

/** The log key over a boot's name and public key, base64: only who holds the log key can open a chain. */
export function bootMessage(writer: string, publicKey: string): Buffer {
  return Buffer.from(`${BOOT}\n${writer}\n${publicKey}\n`);
}
