import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { AttackedInstallation } from '../log/attacked-installation.ts';
import { fillInstallation } from './filled-installation.ts';

const DATABASE = 'quaymaster.db';
const KEYS = ['kek', 'log.pem', 'checkpoint'];

/** Writes a store of this build with its keys into a new folder, for the tests of later builds. */
export async function freezeStore(folder: string): Promise<void> {
  const own = await AttackedInstallation.make();
  try {
    await fillInstallation(own);
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      join(folder, `${DATABASE}.gz`),
      gzipSync(readFileSync(own.at(`store/${DATABASE}`))),
    );
    for (const key of KEYS) cpSync(own.at(`keys/${key}`), join(folder, key));
  } finally {
    await own.remove();
  }
}

/** The installation in a folder that `freezeStore` wrote. */
export async function thawStore(folder: string): Promise<AttackedInstallation> {
  const own = await AttackedInstallation.make();
  for (const name of ['store', 'keys']) mkdirSync(own.at(name), { mode: 0o700 });
  const database = gunzipSync(readFileSync(join(folder, `${DATABASE}.gz`)));
  writeFileSync(own.at(`store/${DATABASE}`), database, { mode: 0o600 });
  for (const key of KEYS)
    writeFileSync(own.at(`keys/${key}`), readFileSync(join(folder, key)), { mode: 0o600 });
  return own;
}
