import type { Plugin } from 'esbuild';

/**
 * Packages that Express loads at its start and that the broker never calls: parsers of bodies, queries and cookies, the server of files, and the negotiation of
 * media types with its table.
 */
const UNUSED: ReadonlySet<string> = new Set([
  'accepts',
  'body-parser',
  'content-disposition',
  'cookie',
  'cookie-signature',
  'etag',
  'fresh',
  'mime-types',
  'qs',
  'range-parser',
  'send',
  'serve-static',
  'type-is',
  'vary',
]);
const OF_EXPRESS = /[\\/]node_modules[\\/]express[\\/]lib[\\/]/;

/** Leaves these packages out of the program, so a parser that must not run is not there. A call of one fails. */
export const leaveOutUnused: Plugin = {
  name: 'leave-out-unused',
  setup(build) {
    build.onResolve({ filter: /^[a-z-]+$/ }, ({ path, importer }) =>
      UNUSED.has(path) && OF_EXPRESS.test(importer)
        ? { path, namespace: 'unused', sideEffects: false }
        : undefined,
    );
    build.onLoad({ filter: /./, namespace: 'unused' }, () => ({
      contents: 'module.exports = {};',
    }));
  },
};
