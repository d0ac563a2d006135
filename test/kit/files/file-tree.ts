import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach } from '@jest/globals';

const made: string[] = [];

/** Files in a new directory that is removed after the test. @returns the directory */
export async function fileTree(
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'quaymaster-files-'));
  made.push(directory);
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await writeFile(join(directory, name), content, { mode: 0o600 });
  }
  return directory;
}

/** Removes trees after each test. Each suite that creates trees must call it once. */
export function removeTreesAfterEach(): void {
  afterEach(async () => {
    for (const directory of made.splice(0)) await rm(directory, { recursive: true });
  });
}
