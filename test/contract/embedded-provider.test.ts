import { openEmbedded } from '../unit/providers/embedded/embedded-fixture.ts';
import { secretProviderContract } from './secret-provider.contract.ts';

secretProviderContract('our own store', async () => {
  const embedded = await openEmbedded();
  const { provider, writes } = embedded;
  return {
    provider,
    put: async (name, data) => {
      await embedded.put(provider.locate(name), data);
    },
    remove: async (name) => {
      await embedded.commit(writes.destroy(provider.locate(name), undefined, undefined));
    },
    close: () => embedded.close(),
  };
});
