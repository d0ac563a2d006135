import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKeyFile, loadLocalFileKey } from '../../src/providers/embedded/kek.ts';
import { keyEncryptionKeyContract } from './key-encryption-key.contract.ts';

keyEncryptionKeyContract('local-file', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'quaymaster-kek-'));
  const [path, otherPath] = [join(directory, 'kek'), join(directory, 'other-kek')];
  await createKeyFile({ path });
  await createKeyFile({ path: otherPath });
  return {
    kek: await loadLocalFileKey({ path }),
    reopened: await loadLocalFileKey({ path }),
    other: await loadLocalFileKey({ path: otherPath }),
    unreachable: 'held in memory',
    close: () => rm(directory, { recursive: true }),
  };
});
