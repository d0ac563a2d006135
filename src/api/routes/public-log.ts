import { BrokerError } from '../../domain/errors.ts';
import { PLAIN_TEXT } from '../request/answers.ts';
import type { RouteOf } from '../request/route.ts';

const YEAR_SECONDS = 31_536_000;
const HOUR_SECONDS = 3_600;

/**
 * Serves the C2SP tlog-checkpoint. Without `audit.publicTiles` the answer is the same as for an unknown path. Nothing is
 * recorded, so strangers cannot grow the log.
 */
export const readPublicCheckpoint: RouteOf<'readPublicCheckpoint'> = {
  read:
    () =>
    async ({ parts }) => {
      const note = await parts.publicLog?.checkpoint();
      if (note === undefined) throw new BrokerError('ERR_NOT_FOUND');
      return { status: 200, headers: PLAIN_TEXT, body: note };
    },
};

/** C2SP tlog-tiles. A full tile never changes; a partial one may be gone once the full one is there. */
export const readPublicTile: RouteOf<'readPublicTile'> = {
  read: ({ params }) => {
    const path = `tile/${params['path'] ?? ''}`;
    return async ({ parts }) => {
      const tile = await parts.publicLog?.tile(path);
      if (tile === undefined) throw new BrokerError('ERR_NOT_FOUND');
      return {
        status: 200,
        headers: ['Content-Type', 'application/octet-stream'],
        cacheControl: tile.isFull
          ? `public, max-age=${YEAR_SECONDS}, immutable`
          : `public, max-age=${HOUR_SECONDS}`,
        body: Buffer.from(tile.hashes),
      };
    };
  },
};
