import * as z from 'zod';
import { openLogCheckpoint } from '../../crypto/log/checkpoint.ts';
import { openNote, signNote, type NoteVerifier } from '../../crypto/log/signed-note.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { LogIdentity } from '../../audit/records/log-identity.ts';
import type { Backup } from '../../ports/backups.ts';
import { wrappedLogKeySchema } from './wrapped-log-key.ts';

/** The first line of the note. No checkpoint has it: the second line of a checkpoint is a number. */
const FORMAT = 'quaymaster.dev/backup/v1';
const DATABASE_FORMAT = 'quaymaster.dev/database-manifest/v1';
export const ARCHIVE = '.age';
export const MANIFEST = '.manifest';
const NAME = /^quaymaster-\d{8}T\d{9}Z$/;

const count = z.int().min(0);
const fileSchema = z.strictObject({ bytes: count, sha256: z.string().regex(/^[0-9a-f]{64}$/) });

/** Schema of a store's content. */
const content = {
  installation: z.string(),
  /** The newest checkpoint in the copy: a signed note. */
  checkpoint: z.string(),
  /** Identifiers of the root keys in the copy. Their key-encryption keys are needed for a restore. */
  rootKeys: z.array(z.string()).min(1).readonly(),
  /** The state digests of the copy, as entries of the log name them. */
  digests: z
    .array(z.strictObject({ kind: z.string(), generation: count, count, digest: z.string() }))
    .readonly(),
};

/** The content of a database before a dump or base backup begins. The restored database has at least this. */
const databaseManifestSchema = z.strictObject({
  createdAt: z.iso.datetime(),
  release: z.string(),
  ...content,
});

export type DatabaseManifest = z.infer<typeof databaseManifestSchema>;

/** The content of a backup, signed with the log key. See internals/spec/backup-v1.md. */
const manifestSchema = z.strictObject({
  name: z.string().regex(NAME),
  createdAt: z.iso.datetime(),
  /** Version of the broker that made it. */
  release: z.string(),
  /** The SQLite database before its encryption. */
  store: fileSchema,
  archive: fileSchema,
  recipients: z.array(z.string()).min(1).readonly(),
  /** Absent if the log key is in a file. */
  logKey: wrappedLogKeySchema.optional(),
  ...content,
});

export type BackupManifest = z.infer<typeof manifestSchema>;

export function signManifest(manifest: BackupManifest, { configured }: LogIdentity): string {
  return signNote(`${FORMAT}\n${JSON.stringify(manifest)}\n`, configured.signer);
}

export function signDatabaseManifest(
  manifest: DatabaseManifest,
  { configured }: LogIdentity,
): string {
  return signNote(`${DATABASE_FORMAT}\n${JSON.stringify(manifest)}\n`, configured.signer);
}

/** @throws ERR_CIPHERTEXT_INVALID unless the log key signed the manifest, and its checkpoint. */
export function openManifest(note: string, verifier: NoteVerifier): BackupManifest {
  return manifestSchema.parse(openJson(note, FORMAT, verifier));
}

/** Opens the manifest of a database, as `openManifest` does. */
export function openDatabaseManifest(note: string, verifier: NoteVerifier): DatabaseManifest {
  return databaseManifestSchema.parse(openJson(note, DATABASE_FORMAT, verifier));
}

function openJson(note: string, expected: string, verifier: NoteVerifier): unknown {
  const [format, json = '', rest, ...more] = openNote(note, [verifier]).split('\n');
  if (format !== expected || rest !== '' || more.length > 0)
    throw new BrokerError('ERR_CIPHERTEXT_INVALID', 'the note is not the manifest of a backup');
  const manifest = JSON.parse(json) as { readonly checkpoint?: unknown };
  openLogCheckpoint(String(manifest.checkpoint), verifier);
  return manifest;
}

export function backupOf(manifest: BackupManifest, verifier: NoteVerifier): Backup {
  const { name, createdAt, archive, recipients, checkpoint } = manifest;
  return {
    name,
    createdAt: Date.parse(createdAt),
    bytes: archive.bytes,
    entries: openLogCheckpoint(checkpoint, verifier).size,
    recipients,
  };
}

/** `quaymaster-20261127T061203123Z`; names sort by time. */
export function backupName(now: number): string {
  return `quaymaster-${new Date(now).toISOString().replaceAll(/[-:.]/g, '')}`;
}

export function isManifestFile(file: string): boolean {
  return file.endsWith(MANIFEST) && NAME.test(file.slice(0, -MANIFEST.length));
}
