import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkpointFile } from '../../src/audit/log/checkpoint-file.ts';
import { checkpointStorageContract } from './checkpoint-storage.contract.ts';

checkpointStorageContract('a file', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'checkpoint-'));
  return {
    open: () => Promise.resolve(checkpointFile(join(directory, 'checkpoint'))),
    close: () => rm(directory, { recursive: true }),
  };
});
