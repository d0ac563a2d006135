/**
 * The messages that the log's keys sign besides checkpoints. Each begins with a zero byte, which no signed note can contain (C2SP
 * signed-note: no control characters). So none of them is valid as a checkpoint, and no checkpoint is valid as one of them.
 */
const BATCH = '\0quaymaster/v1/audit-batch';
const BOOT = '\0quaymaster/v1/audit-boot';

/** Signed by the boot's own key: the last entry of a batch. `head` is its SHA-256 in hexadecimal. */
export function batchMessage(writer: string, lastSeq: number, head: string): Buffer {
  return Buffer.from(`${BATCH}\n${writer}\n${lastSeq}\n${head}\n`);
}

/** Signed by the log key: a boot's name and public key, base64. So only the holder of the log key can start a chain. */
export function bootMessage(writer: string, publicKey: string): Buffer {
  return Buffer.from(`${BOOT}\n${writer}\n${publicKey}\n`);
}
