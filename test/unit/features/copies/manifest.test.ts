import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { logIdentity } from '../../../../src/audit/records/log-identity.ts';
import {
  backupName,
  backupOf,
  isManifestFile,
  openDatabaseManifest,
  openManifest,
  signDatabaseManifest,
  signManifest,
  type BackupManifest,
  type DatabaseManifest,
} from '../../../../src/features/copies/manifest.ts';
import { signCheckpoint } from '../../../../src/crypto/log/checkpoint.ts';
import { signNote } from '../../../../src/crypto/log/signed-note.ts';
import { generateSigningKey, loadSigningKey } from '../../../../src/crypto/signatures/signing.ts';

interface Vectors {
  readonly origin: string;
  readonly logKey: string;
  readonly manifest: BackupManifest;
  readonly note: string;
  readonly database: { readonly manifest: DatabaseManifest; readonly note: string };
}
const vectors = JSON.parse(
  readFileSync(new URL('../../../vectors/backup-v1.json', import.meta.url), 'utf8'),
) as Vectors;
const identity = logIdentity(vectors.origin, loadSigningKey(vectors.logKey));
const { manifest, note } = vectors;

describe('the manifest of a backup', () => {
  it('is signed byte by byte as in the vector, and read back', () => {
    expect(signManifest(manifest, identity)).toBe(note);
    expect(openManifest(note, identity.verifier)).toEqual(manifest);
    expect(backupOf(manifest, identity.verifier)).toMatchObject({ entries: 5, bytes: 4_096 });
  });

  it.each([
    ['a changed member', note.replace('"release":"0.1.0"', '"release":"0.1.1"')],
    ['a changed checkpoint', note.replace('\\n5\\n', '\\n6\\n')],
    ['no signature', note.slice(0, note.indexOf('\n\n') + 2)],
    ['a checkpoint in its place', manifest.checkpoint],
  ])('is refused with %s', (_what, changed) => {
    expect(() => openManifest(changed, identity.verifier)).toThrow(
      expect.objectContaining({ code: 'ERR_CIPHERTEXT_INVALID' }),
    );
  });

  it('is refused if another key signed it, or signed its checkpoint', () => {
    const other = logIdentity(vectors.origin, generateSigningKey());
    const checkpoint = signCheckpoint(
      { origin: vectors.origin, size: 5, root: new Uint8Array(32) },
      other.signer,
    );
    for (const forged of [
      signManifest(manifest, other),
      signManifest({ ...manifest, checkpoint }, identity),
    ]) {
      expect(() => openManifest(forged, identity.verifier)).toThrow(
        expect.objectContaining({ code: 'ERR_CIPHERTEXT_INVALID' }),
      );
    }
  });

  it('is refused with an unknown member', () => {
    const text = `quaymaster.dev/backup/v1\n${JSON.stringify({ ...manifest, more: 1 })}\n`;
    expect(() => openManifest(signNote(text, identity.signer), identity.verifier)).toThrow('more');
  });

  it('has a name that sorts by time', () => {
    const name = backupName(Date.UTC(2026, 10, 27, 6, 12, 3, 123));
    expect(name).toBe('quaymaster-20261127T061203123Z');
    expect(isManifestFile(`${name}.manifest`)).toBe(true);
    expect(isManifestFile('../quaymaster-20261127T061203123Z.manifest')).toBe(false);
  });
});

describe('the manifest of a database', () => {
  const { database } = vectors;

  it('is signed byte by byte as in the vector, and read back', () => {
    expect(signDatabaseManifest(database.manifest, identity)).toBe(database.note);
    expect(openDatabaseManifest(database.note, identity.verifier)).toEqual(database.manifest);
  });

  it('does not pass for that of an archive, nor that of an archive for it', () => {
    for (const attempt of [
      () => openDatabaseManifest(note, identity.verifier),
      () => openManifest(database.note, identity.verifier),
    ])
      expect(attempt).toThrow(expect.objectContaining({ code: 'ERR_CIPHERTEXT_INVALID' }));
  });
});
