import { mkdir, open, writeFile, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { grownTiles, tilePath, TILE_WIDTH } from '../crypto/tiles.ts';
import { openCheckpoint } from '../crypto/checkpoint.ts';
import { parseVerifierKey } from '../crypto/signed-note.ts';
import { BrokerError } from '../domain/errors.ts';
import { EXPORT_FORMAT, EXPORT_FILES, type Manifest } from './export-format.ts';
import type { ExportSource } from './export-source.ts';

/** Called with how many entries are done, and of how many. */
export type Progress = (done: number, total: number) => void;

async function writeWithin(directory: string, path: string, bytes: Uint8Array): Promise<void> {
  const file = join(directory, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, bytes, { flag: 'wx' });
}

async function writeHeads(source: ExportSource, size: number, file: FileHandle): Promise<void> {
  for await (const head of source.heads(size)) await file.write(`${JSON.stringify(head)}\n`);
}

/**
 * Writes the log as of its last checkpoint into a new directory: anybody's C2SP tlog-tiles tools can read it, and
 * `verifyExport` checks all of it. docs/spec/audit-log-v1.md, "Exports".
 * @throws ERR_NOT_FOUND while the log is empty; ERR_CIPHERTEXT_INVALID when the store lacks parts of it.
 */
export async function exportLog(
  source: ExportSource,
  directory: string,
  progress: Progress = () => undefined,
): Promise<Manifest> {
  const note = await source.checkpoint();
  if (note === undefined) throw new BrokerError('ERR_NOT_FOUND', 'the log is empty');
  const logKey = await source.logKey();
  const verifier = parseVerifierKey(logKey);
  const { origin, size } = openCheckpoint(note, verifier.name, [verifier]);
  await mkdir(directory, { mode: 0o700 });
  const write = (path: string, bytes: Uint8Array): Promise<void> =>
    writeWithin(directory, path, bytes);
  for (const tile of grownTiles(0, size)) {
    await write(tilePath(tile), await required(source, tilePath(tile)));
    if (tile.level !== 0) continue;
    const bundle = tilePath({ ...tile, level: 'entries' });
    await write(bundle, await required(source, bundle));
    progress(tile.index * TILE_WIDTH + tile.width, size);
  }
  const heads = await open(join(directory, EXPORT_FILES.heads), 'wx');
  try {
    await writeHeads(source, size, heads);
  } finally {
    await heads.close();
  }
  const manifest: Manifest = { format: EXPORT_FORMAT, origin, size, logKey };
  await write(EXPORT_FILES.checkpoint, Buffer.from(note));
  await write(EXPORT_FILES.manifest, Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`));
  return manifest;
}

async function required(source: ExportSource, path: string): Promise<Uint8Array> {
  const bytes = await source.file(path);
  if (bytes === undefined) throw new BrokerError('ERR_CIPHERTEXT_INVALID');
  return bytes;
}
