import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from '@jest/globals';
import { SecretDirectory } from '../../../../../src/delivery/files/directory/secret-directory.ts';
import type { RenderedFile } from '../../../../../src/delivery/files/outputs.ts';
import { HandClock } from '../../../../kit/time/hand-clock.ts';
import { leftOut, itIfMounted } from '../../../../kit/files/small-disk.ts';

const base = mkdtempSync(join(tmpdir(), 'qm-directory-'));
chmodSync(base, 0o755);
afterAll(() => rmSync(base, { recursive: true }));

let count = 0;
let root = '';
let clock = new HandClock();
beforeEach(() => {
  root = join(base, `secrets-${(count += 1)}`);
  clock = new HandClock();
});

const warned: string[] = [];
const log = {
  warn: ({ error }: Readonly<Record<string, unknown>>) => void warned.push(String(error)),
};

const OTHER_UID = 65_534;

function file(target: string, text: string, more: Partial<RenderedFile> = {}): RenderedFile {
  return { target, bytes: Buffer.from(text), mode: 0o400, ...more };
}

function open(mode = 0o700): SecretDirectory {
  return SecretDirectory.open(root, mode, { clock, log });
}

const read = (target: string): string => readFileSync(join(root, target), 'utf8');
const modeOf = (path: string): number => statSync(path).mode & 0o7777;
/** Everything in the root, without the name of the set. */
const listed = (): readonly string[] =>
  readdirSync(root)
    .map((name) => name.replace(/^\.\.set-\d+$/, '..set'))
    .sort();

describe(`the directory of secrets${leftOut}`, () => {
  it('is created for the agent only, with links into one set', () => {
    const directory = open();
    const { changed, replaced } = directory.replace([
      file('db.json', '{}'),
      file('api/key', 'k'),
      file('api/user', 'u'),
    ]);
    expect([changed, replaced]).toEqual([['db.json', 'api/key', 'api/user'], []]);
    expect([read('db.json'), read('api/key'), read('api/user')]).toEqual(['{}', 'k', 'u']);
    expect(readlinkSync(join(root, 'db.json'))).toBe('..data/db.json');
    expect(listed()).toEqual(['..data', '..set', 'api', 'db.json']);
    expect([modeOf(root), modeOf(join(root, '..data')), modeOf(join(root, 'api'))]).toEqual([
      0o700, 0o700, 0o700,
    ]);
    directory.close();
  });

  it('sets modes independent of the umask (G03)', () => {
    // A umask that takes rights from the owner stops everyone but root.
    for (const umask of [0, process.getuid?.() === 0 ? 0o777 : 0o077]) {
      const former = process.umask(umask);
      try {
        const directory = open();
        directory.replace([
          file('a', 'a'),
          file(`b${umask}`, 'b', { mode: 0o640 }),
          file('folder/c', `c${umask}`, { mode: 0o600 }),
        ]);
        directory.close();
      } finally {
        process.umask(former);
      }
      expect([modeOf(root), modeOf(join(root, 'folder'))]).toEqual([0o700, 0o700]);
      const modes = ['a', `b${umask}`, 'folder/c'].map((name) => modeOf(join(root, name)));
      expect(modes).toEqual([0o400, 0o640, 0o600]);
    }
  });

  it('changes all files by one rename: a reader of the old set can finish', () => {
    const directory = open();
    directory.replace([file('cert', 'c1'), file('key', 'k1')]);
    const set = join(root, readlinkSync(join(root, '..data')));
    directory.replace([file('cert', 'c2'), file('key', 'k2')]);
    expect([
      readFileSync(join(set, 'cert'), 'utf8'),
      readFileSync(join(set, 'key'), 'utf8'),
    ]).toEqual(['c1', 'k1']);
    expect([read('cert'), read('key')]).toEqual(['c2', 'k2']);
    clock.advance(1_000);
    expect(existsSync(set)).toBe(false);
    directory.close();
  });

  it('keeps the inode of an unchanged file', () => {
    const directory = open();
    directory.replace([file('a', '1'), file('b', '1')]);
    const before = statSync(join(root, 'a')).ino;
    expect(directory.replace([file('a', '1'), file('b', '2')]).changed).toEqual(['b']);
    expect(statSync(join(root, 'a')).ino).toBe(before);
    const link = readlinkSync(join(root, '..data'));
    expect(directory.replace([file('a', '1'), file('b', '2')]).changed).toEqual([]);
    expect(readlinkSync(join(root, '..data'))).toBe(link);
    directory.close();
    const later = open();
    expect(later.replace([file('a', '1'), file('b', '2')]).changed).toEqual([]);
    expect(later.replace([file('a', '1', { mode: 0o440 }), file('b', '2')]).changed).toEqual(['a']);
    later.close();
  });

  it('removes revoked files, also from the superseded set', () => {
    const directory = open();
    directory.replace([file('a', '1'), file('b', '1'), file('c/d', '1')]);
    const old = join(root, readlinkSync(join(root, '..data')));
    expect(directory.replace([file('a', '2'), file('n', '1')])).toEqual({
      changed: ['a', 'n', 'b', 'c/d'],
      replaced: ['a', 'b', 'c/d'],
    });
    expect(listed()).toEqual(['..data', '..set', '..set', 'a', 'n']);
    expect(existsSync(join(old, 'a'))).toBe(true);
    expect([existsSync(join(old, 'b')), existsSync(join(old, 'c/d'))]).toEqual([false, false]);
    expect(directory.replace([]).changed).toEqual(['a', 'n']);
    directory.close();
    expect(listed()).toEqual(['..data', '..set']);
    expect(readdirSync(join(root, '..data'))).toEqual([]);
  });

  it('removes what a crash left, and keeps the files', () => {
    const first = open();
    first.replace([file('a', '1')]);
    first.replace([file('a', '2')]);
    mkdirSync(join(root, '..set-99'));
    writeFileSync(join(root, '..set-99', 'half'), 'ha');
    symlinkSync('..set-99', join(root, '..new'));
    const second = open();
    expect(listed()).toEqual(['..data', '..set', 'a']);
    expect(read('a')).toBe('2');
    second.close();
    first.close();
  });

  it('keeps all files unchanged when one cannot be written', () => {
    const directory = open();
    directory.replace([file('a', '1')]);
    const foreign = file('b', 'CANARY', { owner: -2 });
    const failed = (): unknown => directory.replace([file('a', '2'), foreign]);
    expect(failed).toThrow(/^b: cannot be written: /);
    expect(failed).not.toThrow(/CANARY/);
    expect(read('a')).toBe('1');
    expect(listed()).toEqual(['..data', '..set', 'a']);
    directory.close();
  });

  it('leaves no set that could not be activated', () => {
    const directory = open();
    directory.replace([file('a', '1')]);
    mkdirSync(join(root, '..new'));
    const failed = (): unknown => directory.replace([file('a', '2')]);
    expect(failed).toThrow(/^\.\.data: cannot be created: /);
    expect(failed).toThrow(/^\.\.data: cannot be created: /);
    expect(read('a')).toBe('1');
    expect(listed()).toEqual(['..data', '..new', '..set', 'a']);
    directory.close();
  });

  it.each(['file', 'folder', 'link'])(
    'does not replace a %s that the agent did not create (G02)',
    (kind) => {
      mkdirSync(root, { mode: 0o700 });
      const outside = join(base, `outside-${count}`);
      writeFileSync(outside, 'theirs');
      if (kind === 'file') writeFileSync(join(root, 'db.json'), 'theirs');
      else if (kind === 'folder') mkdirSync(join(root, 'db.json'));
      else symlinkSync(outside, join(root, 'db.json'));
      const directory = open();
      expect(directory.obstacle('db.json')).toMatch(/did not create/);
      expect(() => directory.replace([file('db.json', 'ours')])).toThrow(
        /did not create is in the way: remove it/,
      );
      expect(readFileSync(outside, 'utf8')).toBe('theirs');
      directory.close();
    },
  );

  it('is refused unchanged if it has other files', () => {
    mkdirSync(root);
    chmodSync(root, 0o1777);
    writeFileSync(join(root, 'theirs'), '');
    expect(() => open()).toThrow(
      /contains files that the agent did not create: use a directory of its own/,
    );
    expect(modeOf(root)).toBe(0o1777);
    rmSync(join(root, 'theirs'));
    const directory = open();
    directory.replace([file('a', '1')]);
    directory.close();
    writeFileSync(join(root, 'theirs'), '');
    open(0o750).close();
    expect(modeOf(root)).toBe(0o750);
  });

  it('is not entered through a link, nor is a set (G02)', () => {
    const elsewhere = join(base, `elsewhere-${count}`);
    mkdirSync(elsewhere);
    symlinkSync(elsewhere, root);
    expect(() => open()).toThrow(/is a link or a file, not a directory/);
    rmSync(root);
    mkdirSync(root);
    symlinkSync(elsewhere, join(root, '..data'));
    expect(() => open()).toThrow(/did not create/);
    rmSync(join(root, '..data'));
    symlinkSync('..set-1', join(root, '..data'));
    symlinkSync(elsewhere, join(root, '..set-1'));
    const directory = open();
    directory.replace([file('a', '1')]);
    expect(readdirSync(elsewhere)).toEqual([]);
    expect(lstatSync(join(root, readlinkSync(join(root, '..data')))).isDirectory()).toBe(true);
    directory.close();
  });

  it('stays where it was opened, whatever is created at its path later (G02)', () => {
    const directory = open();
    const moved = `${root}-moved`;
    const trap = `${root}-trap`;
    mkdirSync(trap);
    renameSync(root, moved);
    symlinkSync(trap, root);
    directory.replace([file('a', '1')]);
    expect(readdirSync(trap)).toEqual([]);
    expect(readFileSync(join(moved, 'a'), 'utf8')).toBe('1');
    directory.close();
  });

  it('recovers after its current set was moved away, and empties that one (G02)', () => {
    const directory = open();
    directory.replace([file('a', '1'), file('folder/b', '1')]);
    const set = join(root, readlinkSync(join(root, '..data')));
    const moved = `${root}-taken`;
    renameSync(set, moved);
    const trap = `${root}-trap`;
    mkdirSync(trap);
    writeFileSync(join(trap, 'a'), 'theirs');
    symlinkSync(trap, set);
    const again = [file('a', '1'), file('folder/b', '1')];
    expect(directory.replace(again).changed).toEqual(['a', 'folder/b']);
    expect([read('a'), read('folder/b')]).toEqual(['1', '1']);
    directory.replace([]);
    expect(readdirSync(moved, { recursive: true })).toEqual(['folder']);
    expect(readdirSync(trap)).toEqual(['a']);
    directory.close();
  });

  it('recovers after all of it was removed', () => {
    const directory = open();
    directory.replace([file('a', '1')]);
    for (const name of readdirSync(root)) rmSync(join(root, name), { recursive: true });
    expect(directory.replace([file('a', '1')]).changed).toEqual(['a']);
    expect(read('a')).toBe('1');
    directory.close();
  });

  it('does not block on a pipe in the place of a file (G02)', () => {
    const directory = open();
    directory.replace([file('a', '1')]);
    const place = join(root, readlinkSync(join(root, '..data')), 'a');
    rmSync(place);
    execFileSync('mkfifo', [place]);
    expect(directory.replace([file('a', '1')]).changed).toEqual(['a']);
    expect(read('a')).toBe('1');
    directory.close();
  });

  it('reports a remedy if its parent does not exist', () => {
    root = join(base, 'nowhere', 'secrets');
    expect(() => open()).toThrow(/ENOENT: mount a volume/);
  });

  itIfMounted(
    'reports the reason if it cannot be changed, and retries the removal of the replaced set',
    () => {
      mkdirSync(root);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', root]);
      let directory: SecretDirectory | undefined;
      try {
        directory = open();
        directory.replace([file('a', '1'), file('b', '1')]);
        directory.replace([file('a', '2'), file('b', '2')]);
        remount('ro');
        const readOnly = /a: cannot be removed: EROFS: the volume is read-only: mount it writable/;
        expect(() => directory?.replace([])).toThrow(readOnly);
        clock.advance(1_000);
        expect(warned.splice(0)).toEqual([expect.stringMatching(/\.\.set-1: EROFS: the volume/)]);
        remount('rw');
        directory.replace([file('b', '2')]);
        expect(listed()).toEqual(['..data', '..set', '..set', 'b']);
        clock.advance(60_000);
        expect(listed()).toEqual(['..data', '..set', 'b']);
        const large = file('c', 'c'.repeat(2 * 1024 * 1024));
        expect(() => directory?.replace([large])).toThrow(
          /^c: cannot be written: ENOSPC: .*sizeLimit/,
        );
        remount('ro');
        expect(() => open()).toThrow(/secrets-\d+: cannot be used: EROFS: /);
      } finally {
        directory?.close();
        execFileSync('umount', [root]);
      }
    },
  );

  itIfMounted(
    'is refused if it belongs to another user, but the root of a volume is accepted with a warning (G03)',
    () => {
      mkdirSync(root);
      chownSync(root, OTHER_UID, OTHER_UID);
      expect(() => open()).toThrow(/belongs to user 65534: use a directory below it/);
      chownSync(root, 0, 0);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=0777', 'tmpfs', root]);
      try {
        expect(asNobody(root)).toEqual({
          warnings: [
            'any container that mounts the volume writable can replace files: mount it read-only elsewhere',
          ],
          modes: [0o777, 0o700, 0o400],
        });
      } finally {
        execFileSync('umount', [root]);
      }
    },
  );

  itIfMounted(
    'cannot be read by another user of the pod, and needs a right to be given to one (G03)',
    () => {
      chmodSync(base, 0o755);
      const directory = open();
      directory.replace([file('a', 'CANARY')]);
      const asOther = { uid: OTHER_UID, gid: OTHER_UID, encoding: 'utf8' } as const;
      expect(spawnSync('cat', [join(root, 'a')], asOther)).toMatchObject({ stdout: '', status: 1 });
      directory.replace([file('a', 'theirs', { owner: OTHER_UID, group: OTHER_UID })]);
      expect(statSync(join(root, 'a')).uid).toBe(OTHER_UID);
      directory.close();
      const volume = join(base, `volume-${count}`);
      mkdirSync(volume);
      chownSync(volume, OTHER_UID, OTHER_UID);
      expect(asNobody(join(volume, 'secrets'), 'owner: 1,').error).toMatch(
        /^a: cannot be written: owner or group cannot be set \(EPERM\): run the agent with CAP_CHOWN/,
      );
    },
  );
});

function remount(how: 'ro' | 'rw'): void {
  execFileSync('mount', ['-o', `remount,${how}`, root]);
}

interface Outcome {
  readonly warnings?: readonly string[];
  readonly modes?: readonly number[];
  readonly error?: string;
}

/** Opens the directory and writes one file, as a user without rights. */
function asNobody(path: string, more = ''): Outcome {
  const source = new URL(
    '../../../../../src/delivery/files/directory/secret-directory.ts',
    import.meta.url,
  );
  const clockSource = new URL('../../../../../src/process/clock.ts', import.meta.url);
  const script = `
    import { SecretDirectory } from ${JSON.stringify(source.href)};
    import { systemClock } from ${JSON.stringify(clockSource.href)};
    import { statSync } from 'node:fs';
    process.setgid(${OTHER_UID}); process.setuid(${OTHER_UID});
    const path = ${JSON.stringify(path)};
    const modes = (...names) => names.map((name) => statSync(path + '/' + name).mode & 0o7777);
    try {
      const directory = SecretDirectory.open(path, 0o700, { clock: systemClock });
      directory.replace([{ target: 'a', bytes: Buffer.from('x'), mode: 0o400, ${more} }]);
      directory.close();
      console.log(JSON.stringify({ warnings: directory.warnings, modes: modes('.', '..data', 'a') }));
    } catch (error) { console.log(JSON.stringify({ error: error.message })); }`;
  const args = ['--no-warnings', '--input-type=module', '-e', script];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as Outcome;
}
