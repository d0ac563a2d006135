import { chown, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new directory for one backend's data and logs, owned by `user` if the server runs as another user. */
export async function createDataDirectory(
  name: string,
  user?: { readonly uid: number; readonly gid: number },
): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), `quaymaster-${name}-`));
  if (user !== undefined) await chown(directory, user.uid, user.gid);
  return directory;
}
