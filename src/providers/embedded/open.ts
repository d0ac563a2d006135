import type {
  CheckReport,
  ProviderConnection,
  SecretProvider,
} from '../../ports/secret-provider.ts';
import { parseOptions } from '../parse-options.ts';
import { checkEmbedded } from './check.ts';
import { embeddedOptions } from './config.ts';
import type { EmbeddedParts } from './secrets/rows.ts';
import { EmbeddedProvider } from './secrets/provider.ts';

/** The connection that is always there: our own store. */
export function connectEmbedded(parts: EmbeddedParts): ProviderConnection {
  return {
    name: 'embedded',
    kind: 'embedded',
    mount: (options: unknown): SecretProvider =>
      new EmbeddedProvider(parts, parseOptions(embeddedOptions, options)),
    check: (): Promise<CheckReport> => Promise.resolve(checkEmbedded(parts.store)),
    close: () => Promise.resolve(),
  };
}
