import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OWN_PATHS } from '../servers/seed.ts';
import type { Stage } from '../stage.ts';
import type { Contender } from './start-up.ts';

const ENTRY = fileURLToPath(new URL('../../dist/quaymaster.cjs', import.meta.url));

/** The built agent. It reads ten secrets of the embedded store, each into its own file. */
export async function ourAgent(
  stage: Stage,
  place: { readonly url: string; readonly token: string; readonly directory: string },
): Promise<Contender> {
  const directory = join(place.directory, 'ours');
  await mkdir(directory);
  const files = OWN_PATHS.map((_, index) => `db${index}.json`);
  return {
    files: files.map((file) => join(directory, 'secrets', file)),
    directory,
    command: process.execPath,
    args: ['--disable-sigusr1', ENTRY, 'agent'],
    env: {
      QUAYMASTER_URL: place.url,
      QUAYMASTER_CLUSTER: 'offline',
      QUAYMASTER_TOKEN_FILE: await stage.write('our-agent.token', place.token),
      QUAYMASTER_DIRECTORY: join(directory, 'secrets'),
      QUAYMASTER_SECRETS: OWN_PATHS.map((path, index) => `${path}=db${index}.json:json`).join(','),
      QUAYMASTER_LOG_LEVEL: 'warn',
    },
  };
}
