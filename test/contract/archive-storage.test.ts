import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { archiveDirectory } from '../../src/audit/records/archive-directory.ts';
import { archivePlaceContract } from './archive-storage.contract.ts';

archivePlaceContract('a directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'qm-archive-'));
  const file = join(directory, 'file');
  await writeFile(file, '');
  return {
    place: archiveDirectory(join(directory, 'archive')),
    refusing: archiveDirectory(join(file, 'archive')),
    close: () => rm(directory, { recursive: true }),
  };
});
