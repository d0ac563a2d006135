import type { Backend } from '../../../src/ports/backend.ts';
import type { ProviderConnection } from '../../../src/ports/secret-provider.ts';

/** The provider of an opened backend, with the close of the backend. */
export type ClosableProvider = ProviderConnection & { close(): Promise<void> };

export function closableProvider(
  backend: Required<Pick<Backend, 'provider' | 'close'>>,
): ClosableProvider {
  return { ...backend.provider, close: async () => backend.close() };
}
