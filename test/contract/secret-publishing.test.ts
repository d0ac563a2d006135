import { onSqlite, openEmbedded } from '../kit/providers/embedded-fixture.ts';
import { secretPublishingContract } from './secret-publishing.contract.ts';

secretPublishingContract(
  'the embedded store',
  async () => {
    const embedded = await openEmbedded(onSqlite);
    return {
      provider: embedded.provider,
      other: embedded.mount({ prefix: 'app' }),
      put: async (name, data) => {
        await embedded.put(embedded.provider.locate(name), data as Record<string, string>);
      },
      written: async (name) =>
        (await embedded.writes.versions(embedded.provider.locate(name))).length,
      commit: async ({ fragment }) => {
        const { status } = await embedded.store.commit(fragment!);
        if (status !== 'committed') throw new Error(status);
      },
      close: () => embedded.close(),
    };
  },
  { createsMissing: true },
);
