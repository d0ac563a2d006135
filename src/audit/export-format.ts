import { z } from 'zod';

export const EXPORT_FORMAT = 'quaymaster/audit-export/v1';

/** Files of an export beside the tiles. */
export const EXPORT_FILES = {
  manifest: 'manifest.json',
  checkpoint: 'checkpoint',
  heads: 'heads.jsonl',
} as const;

const count = z.int().min(0);

export const manifestSchema = z.strictObject({
  format: z.literal(EXPORT_FORMAT),
  origin: z.string(),
  size: count,
  /** Verifier key of the log (C2SP signed-note). A copy of it from elsewhere is what makes a verification mean something. */
  logKey: z.string(),
});

export type Manifest = z.infer<typeof manifestSchema>;

/** A line of heads.jsonl: one batch, in the order of the log. */
export const batchHeadSchema = z.strictObject({
  first_index: count,
  writer: z.string(),
  first_seq: count.min(1),
  count: count.min(1),
  /** SHA-256 of the batch's last entry, hexadecimal. */
  head: z.string(),
  /** Ed25519 by the boot's key, base64. */
  signature: z.string(),
});

export type BatchHead = z.infer<typeof batchHeadSchema>;
