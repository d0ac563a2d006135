import { readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { localFileConfig } from '../../../../src/providers/embedded/config.ts';
import {
  createKeyFile,
  keyFileProblem,
  readKeyFile,
  loadLocalFileKey,
} from '../../../../src/providers/embedded/kek.ts';

const REFUSED = { code: 'ERR_CONFIG_INVALID' };
const SEALED = { code: 'ERR_SEALED' };
const vectors = JSON.parse(readFileSync('test/vectors/root-key-v1.json', 'utf8')) as {
  kekFile: string;
  kekId: string;
};

let directory: string;
let count = 0;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quaymaster-key-file-'));
});
afterAll(() => rm(directory, { recursive: true }));

async function written(text: string | Uint8Array, mode = 0o600): Promise<string> {
  count += 1;
  const path = join(directory, `kek-${count}`);
  await writeFile(path, text);
  await chmod(path, mode);
  return path;
}

describe('a key file', () => {
  it('is created for its owner only, whatever the umask, and never overwritten', async () => {
    const path = join(directory, 'made');
    const before = process.umask(0);
    await createKeyFile({ path }).finally(() => process.umask(before));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const text = await readFile(path, 'utf8');
    expect(text).toMatch(/^quaymaster-kek-v1\n[A-Za-z0-9+/]{43}=\n$/);
    await expect(createKeyFile({ path })).rejects.toMatchObject(REFUSED);
    expect(await readFile(path, 'utf8')).toBe(text);
    expect((await readKeyFile({ path })).export().toString('base64')).toBe(text.split('\n')[1]);
  });

  it('is not created through a symbolic link or in a missing directory', async () => {
    await symlink(join(directory, 'nowhere'), join(directory, 'dangling'));
    await expect(createKeyFile({ path: join(directory, 'dangling') })).rejects.toMatchObject(
      REFUSED,
    );
    await expect(createKeyFile({ path: join(directory, 'no', 'kek') })).rejects.toMatchObject(
      SEALED,
    );
  });

  it('opens the frozen vector, also read-only and through a link of the same user', async () => {
    const path = await written(vectors.kekFile, 0o400);
    expect((await loadLocalFileKey({ path })).id).toBe(vectors.kekId);
    await symlink(path, `${path}-link`);
    expect((await loadLocalFileKey({ path: `${path}-link` })).id).toBe(vectors.kekId);
  });

  it.each([0o640, 0o604, 0o660, 0o644, 0o610, 0o601, 0o777])(
    'is refused with mode %#o',
    async (mode) => {
      await expect(
        readKeyFile({ path: await written(vectors.kekFile, mode) }),
      ).rejects.toMatchObject(REFUSED);
    },
  );

  const encoded = vectors.kekFile.split('\n')[1] ?? '';
  const file = (key: Uint8Array): string =>
    `quaymaster-kek-v1\n${Buffer.from(key).toString('base64')}\n`;
  it.each([
    ['empty', ''],
    ['without a header', `${encoded}\n`],
    ['of another version', vectors.kekFile.replace('v1', 'v2')],
    ['without the last newline', vectors.kekFile.slice(0, -1)],
    ['with a line more', `${vectors.kekFile}\n`],
    ['with Windows line endings', vectors.kekFile.replaceAll('\n', '\r\n')],
    ['of 16 bytes', file(Buffer.from(encoded, 'base64').subarray(16))],
    ['of 33 bytes', file(Buffer.concat([Buffer.from(encoded, 'base64'), Buffer.of(1)]))],
    ['in base64url', vectors.kekFile.replace(/[A-Z]/, '-')],
    [
      'with unused bits set',
      vectors.kekFile.replace(/(.)=\n$/, (_, last: string) => `${last === 'B' ? 'C' : 'B'}=\n`),
    ],
    ['all zero', file(Buffer.alloc(32))],
    ['all ones', file(Buffer.alloc(32, 0xff))],
    ['a word repeated', file(Buffer.alloc(32, 'changeme'))],
    ['16 bytes twice', file(Buffer.alloc(32, Buffer.from(encoded, 'base64').subarray(16)))],
    ['large', 'x'.repeat(100_000)],
  ])('is refused when it is %s (X03)', async (_, text) => {
    await expect(readKeyFile({ path: await written(text) })).rejects.toMatchObject(REFUSED);
  });

  it('is sealed when it is missing, and refused when it is a directory', async () => {
    await expect(readKeyFile({ path: join(directory, 'absent') })).rejects.toMatchObject(SEALED);
    await mkdir(join(directory, 'folder'), { mode: 0o700 });
    await expect(readKeyFile({ path: join(directory, 'folder') })).rejects.toMatchObject(REFUSED);
  });

  it('is refused inside the data directory, also through a link that leads there', async () => {
    const dataDirectory = join(directory, 'data');
    await mkdir(dataDirectory);
    const inside = join(dataDirectory, 'kek');
    await expect(createKeyFile({ path: inside, dataDirectory })).rejects.toMatchObject(REFUSED);
    await createKeyFile({ path: inside });
    await symlink(inside, join(directory, 'leads-inside'));
    await symlink(dataDirectory, join(directory, 'data-link'));
    for (const path of [inside, join(directory, 'leads-inside')]) {
      await expect(readKeyFile({ path, dataDirectory })).rejects.toMatchObject(REFUSED);
      const linked = join(directory, 'data-link');
      await expect(readKeyFile({ path, dataDirectory: linked })).rejects.toMatchObject(REFUSED);
    }
    const beside = await written(vectors.kekFile);
    expect((await loadLocalFileKey({ path: beside, dataDirectory })).id).toBe(vectors.kekId);
  });

  it('causes an error with the reason, but without its path and its content', async () => {
    const path = await written(vectors.kekFile, 0o644);
    const error: unknown = await readKeyFile({ path }).catch((thrown: unknown) => thrown);
    expect(String(error)).toContain('must not be accessible to group or others');
    expect(String(error)).not.toContain(directory);
    expect(String(error)).not.toContain(encoded);
  });
});

describe('the owner of a key file', () => {
  const ours = { mode: 0o100600, uid: 1000, regular: true };
  it.each([
    ['ours', ours, 1000, undefined],
    ['of root', { ...ours, uid: 0 }, 0, undefined],
    ['own, through a link of root', ours, 0, undefined],
    ['of another user', { ...ours, uid: 1001 }, 1000, 'must belong to this user or to root'],
    [
      'own, through a link of another user',
      ours,
      1001,
      'is reached by a symbolic link of another user',
    ],
    ['a device', { ...ours, regular: false }, 1000, 'must be a regular file'],
  ])('must be this user or root, also of links: %s', (_, file, link, problem) => {
    expect(keyFileProblem(file, { uid: link }, 1000)).toBe(problem);
  });
});

describe('the configuration of a local key', () => {
  it('has a type and a path, and nothing else', () => {
    expect(localFileConfig.parse({ type: 'local-file', path: '/run/kek' })).toEqual({
      type: 'local-file',
      path: '/run/kek',
    });
    for (const bad of [
      { type: 'local-file' },
      { type: 'local-file', path: '' },
      { type: 'local-file', path: 'a', key: 'b' },
      { type: 'aws', path: 'a' },
    ]) {
      expect(localFileConfig.safeParse(bad).success).toBe(false);
    }
  });
});
