import type { AuditLog } from '../../ports/audit-log.ts';
import type { PublicLog } from '../../ports/public-log.ts';
import { parseTilePath, TILE_WIDTH } from '../../crypto/log/tiles.ts';

type Tiles = Pick<AuditLog, 'checkpoint' | 'witnessed' | 'file'>;

/**
 * The log without a login: the checkpoint and hashes. An entry names workloads and paths, so entry bundles are not public. No entry can be guessed
 * from its hash, because it contains the SHA-256 of the entry before it, which no tile has.
 */
export function publicLog(log: Tiles, isWitnessed: boolean): PublicLog {
  return {
    async checkpoint() {
      const found = isWitnessed ? await log.witnessed() : await log.checkpoint();
      return found?.note;
    },
    async tile(path) {
      const tile = parseTilePath(path);
      if (tile === undefined || tile.level === 'entries') return undefined;
      const hashes = await log.file(path);
      return hashes && { hashes, isFull: tile.width === TILE_WIDTH };
    },
  };
}
