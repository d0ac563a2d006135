import type { Backend } from '../../ports/backend.ts';
import { parseOptions } from '../parse-options.ts';
import { checkEmbedded } from './check.ts';
import { embeddedOptions } from './config.ts';
import type { EmbeddedParts } from './secrets/rows.ts';
import { EmbeddedProvider } from './secrets/provider.ts';
import { overdueDeletions } from './secrets/writes.ts';
import { EMBEDDED } from '../../domain/secrets/mount.ts';

/** The built-in connection: secrets in the store of the broker itself. */
export function openEmbedded(parts: EmbeddedParts): Required<Pick<Backend, 'provider' | 'close'>> {
  return {
    provider: {
      name: EMBEDDED,
      kind: EMBEDDED,
      mount: (options) => new EmbeddedProvider(parts, parseOptions(embeddedOptions, options)),
      overdueDeletions: (limit) => overdueDeletions(parts, limit),
      check: () => Promise.resolve(checkEmbedded(parts.store)),
    },
    close: () => undefined,
  };
}
