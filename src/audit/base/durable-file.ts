import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { randomId } from '../../crypto/random/random.ts';

/** Makes new and renamed entries of a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Creates a file of mode 0600. It is durable when this resolves. @throws EEXIST if the file exists; a failed write leaves a part of it */
export async function createDurably(path: string, content: string | Uint8Array): Promise<void> {
  await writeNew(path, content);
  await syncDirectory(dirname(path));
}

/** Writes or replaces a file of mode 0600. It is durable when this resolves, and no reader sees a part of it. A failure leaves no draft. */
export async function writeDurably(path: string, content: string | Uint8Array): Promise<void> {
  const draft = `${path}.${randomId('part')}`;
  try {
    await writeNew(draft, content);
    await rename(draft, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw error;
  }
}

async function writeNew(path: string, content: string | Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    // The umask of the process may have removed more than the bits of group and others.
    await file.chmod(0o600);
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}
