import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { leafHash } from '../../crypto/log/merkle.ts';
import { decodeBundle, TILE_WIDTH } from '../../crypto/log/tiles.ts';
import type { LogFormat } from '../../domain/audit/formats/format-names.ts';
import { formatEntry } from '../../domain/audit/formats/log-format.ts';
import { ExportFiles } from './export-files.ts';
import type { Manifest } from '../records/export-format.ts';

/** The file of an export that has its entries in another format. */
export function formattedFile(format: LogFormat): string {
  return `entries.${format}`;
}

/** Adds the entries of an export once more, as lines of a format that a SIEM reads. Damaged and archived entries have no line. */
export async function writeFormatted(
  directory: string,
  { origin, size, archived }: Manifest,
  format: LogFormat,
): Promise<void> {
  const files = new ExportFiles(directory);
  const file = await open(join(directory, formattedFile(format)), 'wx');
  try {
    for (let start = archived?.end ?? 0; start < size; start += TILE_WIDTH) {
      const width = Math.min(TILE_WIDTH, size - start);
      const bundle = await files.tile({ level: 'entries', index: start / TILE_WIDTH, width });
      const lines = decodeBundle(bundle).flatMap((bytes, at) => {
        if (bytes.length === 0) return [];
        const entry = Buffer.from(bytes).toString('latin1');
        const hash = leafHash(bytes).toString('hex');
        return `${formatEntry(format, { origin, index: start + at, entry, leafHash: hash })}\n`;
      });
      await file.write(lines.join(''));
    }
  } finally {
    await file.close();
  }
}
