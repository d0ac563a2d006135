import { embeddedAttacksContract } from './embedded-attacks.contract.ts';
import { embeddedDeletionContract } from './embedded-deletion.contract.ts';
import { openEmbedded, type MakeStore } from '../kit/providers/embedded-fixture.ts';
import { embeddedMetadataContract } from './embedded-metadata.contract.ts';
import { embeddedPublishingContract } from './embedded-publishing.contract.ts';
import { embeddedWritesContract } from './embedded-writes.contract.ts';
import { secretProviderContract } from './secret-provider.contract.ts';

/** The complete contract of the embedded provider, on one kind of store. */
export function embeddedProviderContract(store: string, makeStore: MakeStore): void {
  secretProviderContract(`our own store on ${store}`, async () => {
    const embedded = await openEmbedded(makeStore);
    const { provider, writes } = embedded;
    return {
      provider,
      put: async (name, data) => {
        await embedded.put(provider.locate(name), data);
      },
      remove: async (name) => {
        await embedded.commit(writes.delete(provider.locate(name), undefined));
      },
      close: () => embedded.close(),
    };
  });
  embeddedWritesContract(store, makeStore);
  embeddedDeletionContract(store, makeStore);
  embeddedMetadataContract(store, makeStore);
  embeddedPublishingContract(store, makeStore);
  embeddedAttacksContract(store, makeStore);
}
