import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { prepareStoreDirectory, removeStoreFiles } from '../../store/sqlite/store-files.ts';
import type { OpenedStore, StoreConfig } from '../../store/index.ts';
import type { BackupConfig } from './config.ts';

/** Place of the copy of a store, which is a SQLite file: until it is encrypted, or after it is decrypted. */
export interface CopyPlace {
  /** The directory that needs room for the copy. */
  readonly directory: string;
  /** Removes what an interrupted run left. */
  sweep(): Promise<void>;
  /** Sweeps. @returns the path of a file to create */
  prepare(): Promise<string>;
  /** Removes the copy. */
  clear(): Promise<void>;
}

interface CopyConfig {
  readonly store: StoreConfig;
  readonly backup?: BackupConfig | undefined;
}

/**
 * The place of a copy: beside a SQLite store, and for PostgreSQL a new directory for this user alone in `backup.copyDirectory`.
 * @param installation makes copies of this use one at a time. An earlier one was interrupted, and is removed.
 */
export function copyPlace(
  { store, backup }: CopyConfig,
  use: string,
  installation?: string,
): CopyPlace {
  if (store.type === 'sqlite') return besideStore(`${store.path}.${use}`);
  return inDirectory(backup?.copyDirectory ?? tmpdir(), `quaymaster-${use}-`, installation);
}

function besideStore(path: string): CopyPlace {
  const clear = (): Promise<void> => removeStoreFiles(path);
  return {
    directory: dirname(path),
    sweep: clear,
    async prepare() {
      prepareStoreDirectory(dirname(path));
      await clear();
      return path;
    },
    clear,
  };
}

function inDirectory(directory: string, use: string, installation?: string): CopyPlace {
  const prefix = installation === undefined ? use : `${use}${installation}-`;
  let own: string | undefined;
  const clear = async (): Promise<void> => {
    if (own !== undefined) await rm(own, { recursive: true, force: true });
    own = undefined;
  };
  const sweep = async (): Promise<void> => {
    if (installation !== undefined) await removeAll(directory, prefix);
  };
  return {
    directory,
    sweep,
    async prepare() {
      await sweep();
      own = await mkdtemp(join(directory, prefix));
      return join(own, 'quaymaster.db');
    },
    clear,
  };
}

async function removeAll(directory: string, prefix: string): Promise<void> {
  for (const name of await readdir(directory))
    if (name.startsWith(prefix))
      // Another user's directory of this name cannot be removed. It does not contain a copy.
      await rm(join(directory, name), { recursive: true, force: true }).catch(() => undefined);
}

/** The bytes of the store, at most. SQLite's files are not opened: closing a descriptor of the database would drop SQLite's locks. */
export async function storeBytes(
  config: StoreConfig,
  opened: Pick<OpenedStore, 'space'>,
): Promise<number> {
  if (config.type === 'postgres') return (await opened.space()).usedBytes;
  const sizes = [config.path, `${config.path}-wal`].map((path) =>
    stat(path).then(
      ({ size }) => size,
      () => 0,
    ),
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
