import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MountedFile } from '../../../src/process/mounted-file.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quaymaster-mounted-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** Writes a new set of files and swaps the link, as the kubelet does. */
async function swap(name: string): Promise<void> {
  await mkdir(join(directory, name));
  await symlink(name, join(directory, '..data_tmp'));
  await rename(join(directory, '..data_tmp'), join(directory, '..data'));
}

describe('a mounted file', () => {
  it('has changed once for each swap of the link', async () => {
    await swap('..2026_01');
    const file = await MountedFile.at(join(directory, 'config.yaml'));
    expect(await file.hasChanged()).toBe(false);
    await swap('..2026_02');
    expect(await file.hasChanged()).toBe(true);
    expect(await file.hasChanged()).toBe(false);
  });

  it('has not changed while the link is missing', async () => {
    await swap('..2026_01');
    const file = await MountedFile.at(join(directory, 'config.yaml'));
    await rm(join(directory, '..data'));
    expect(await file.hasChanged()).toBe(false);
  });

  it('never counts as changed outside of a mount', async () => {
    const path = join(directory, 'config.yaml');
    await writeFile(path, 'half');
    const file = await MountedFile.at(path);
    await writeFile(path, 'whole');
    expect(await file.hasChanged()).toBe(false);
  });
});
