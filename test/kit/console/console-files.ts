import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConsoleFiles } from '../../../src/api/console/console-files.ts';

/** A page and a script in place of the built ones, for tests that need no browser. */
export async function smallConsole(): Promise<ConsoleFiles> {
  const directory = await mkdtemp(join(tmpdir(), 'qm-console-'));
  await mkdir(join(directory, 'assets'));
  await writeFile(join(directory, 'index.html'), '<meta name="build" content="0123abcd">');
  for (const name of ['main-X.js', 'main-X.js.gz', 'main-X.js.br'])
    await writeFile(join(directory, 'assets', name), `bytes of ${name}`);
  const files = ConsoleFiles.read(new URL(`${pathToFileURL(directory).href}/`));
  await rm(directory, { recursive: true });
  return files;
}
