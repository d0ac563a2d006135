import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from '@jest/globals';
import { LEFT_OUT } from '../backends/left-out.ts';

/** A file system in memory that a test can fill up. */
export class SmallDisk {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Mounts a disk; undefined if it cannot be mounted. `size` is as `mount` takes it: `96m`. `files`: the most files that it can
   * have.
   */
  static mount(size: string, files?: number): SmallDisk | undefined {
    const path = mkdtempSync(join(tmpdir(), 'quaymaster-full-'));
    // The root directory counts too.
    const inodes = files === undefined ? '' : `,nr_inodes=${files + 1}`;
    const options = `size=${size},mode=0700${inodes}`;
    const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]);
    if (status === 0) return new SmallDisk(path);
    rmSync(path, { recursive: true });
    return undefined;
  }

  unmount(): void {
    spawnSync('umount', [this.path]);
    rmSync(this.path, { recursive: true });
  }
}

const probe = SmallDisk.mount('1m');
probe?.unmount();

export const canMount = probe !== undefined;
/**
 * `it` if a disk can be mounted. Otherwise the test is skipped, and the suite's title, which ends with `leftOut`, says so. A worker loads this module
 * once, and `it.skip` belongs to one suite, so each call reads it.
 */
export const itIfMounted = (...test: Parameters<typeof it.skip>): void =>
  (canMount ? it : it.skip)(...test);
export const leftOut = canMount ? '' : ` (${LEFT_OUT}no file system can be mounted here)`;
