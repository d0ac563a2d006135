import * as z from 'zod';
import { sha256Hex } from '../../crypto/hashes/digest.ts';

export const EXPORT_FORMAT = 'quaymaster/audit-export/v1';

/** Files of an export besides the tiles. */
export const EXPORT_FILES = {
  manifest: 'manifest.json',
  checkpoint: 'checkpoint',
  /** The newest checkpoint that enough witnesses cosigned; the file is absent if there is none. */
  witnessed: 'witnessed-checkpoint',
  heads: 'heads.jsonl',
  /** Objects of the archive; the file exists only if a part of the log is archived. */
  archive: 'archive.jsonl',
} as const;

const count = z.int().min(0);

/** Entries that an export of a damaged log lacks. */
const damageSchema = z.strictObject({
  first: count,
  end: count.min(1),
  why: z.enum(['missing', 'altered', 'unproven']),
});

export const manifestSchema = z.strictObject({
  format: z.literal(EXPORT_FORMAT),
  origin: z.string(),
  size: count,
  /** Verifier key of the log (C2SP signed-note). A verification is meaningful only with a copy of the key from another source. */
  logKey: z.string(),
  /** The entries `[0, end)` are not in the export: they are archived, and the entry `entry` of the log signs the truncation. */
  archived: z.strictObject({ end: count.min(1), entry: count }).optional(),
  /** Entries that the export lacks because they do not verify in the store; in order, without overlaps. Absent: it has all entries. */
  damage: z.array(damageSchema).readonly().optional(),
  /** Tiles above the leaves that the store lacks. */
  missingTiles: z.array(z.string()).readonly().optional(),
  /** SHA-256, hexadecimal, of the manifest's JSON without this member and without white space. */
  digest: z.string(),
});

export type Manifest = z.infer<typeof manifestSchema>;

/** The input of `digest`: the other members in their order. */
export function manifestDigest(manifest: Omit<Manifest, 'digest'>): string {
  return sha256Hex(JSON.stringify({ ...manifest, digest: undefined }));
}

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
  /**
   * The boot's key and its endorsement, as the writer's first entry announces them; base64. In the first line of a writer whose first entry is archived,
   * otherwise absent.
   */
  key: z.string().optional(),
  endorsement: z.string().optional(),
});

export type BatchHead = z.infer<typeof batchHeadSchema>;

/** A line of archive.jsonl: one object of the archive, in the order of the log. */
export const archiveObjectSchema = z.strictObject({
  name: z.string().regex(/^[0-9a-z.-]{1,200}$/),
  first: count,
  end: count.min(1),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  place: z.string(),
});
