import { describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import { textOf } from '../kit/pages/tracked-files.ts';

interface Locked {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
}

const { packages } = JSON.parse(textOf('package-lock.json')) as {
  readonly packages: Readonly<Record<string, Locked>>;
};
const manifest = JSON.parse(textOf('package.json')) as {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly allowScripts: Readonly<Record<string, boolean>>;
};

function isAtLeast(version: string, floor: string): boolean {
  return version.localeCompare(floor, 'en', { numeric: true }) >= 0;
}

function versionsOf(name: string): readonly string[] {
  return Object.entries(packages)
    .filter(([path]) => path.endsWith(`node_modules/${name}`))
    .map(([, { version }]) => version ?? '');
}

describe('dependencies (X05)', () => {
  it.each([
    ['express', '5.2.1', 'CVE-2026-12590'],
    ['body-parser', '2.3.0', 'CVE-2026-12590'],
    ['qs', '6.15.2', 'CVE-2026-2391'],
    ['path-to-regexp', '8.4.0', 'CVE-2026-4926'],
    ['mysql2', '3.9.8', 'CVE-2024-21512'],
  ])('include no %s below %s (%s) (X05)', (name, floor) => {
    const versions = versionsOf(name);
    expect(versions).not.toEqual([]);
    expect(versions.filter((version) => !isAtLeast(version, floor))).toEqual([]);
  });

  it('include a SQLite without the bug that resets the write-ahead log (3.51.3) (X05)', () => {
    const database = new Database(':memory:');
    const version = database.prepare('SELECT sqlite_version()').pluck().get() as string;
    database.close();
    expect([version, isAtLeast(version, '3.51.3')]).toEqual([version, true]);
  });

  it('include the Node that runs this, of a line with long-term support', () => {
    expect(process.versions.node).toBe(manifest.dependencies['node']);
    expect(Number(process.versions.node.split('.')[0]) % 2).toBe(0);
  });

  it('are pinned to one version each', () => {
    const all = { ...manifest.dependencies, ...manifest.devDependencies };
    const pinned = /^(?:npm:[a-z-]+@)?\d+\.\d+\.\d+$/;
    const loose = Object.entries(all).filter(([, version]) => !pinned.test(version));
    expect(loose).toEqual([]);
  });

  it('have a digest, and come from any registry that the machine uses', () => {
    const locked = Object.entries(packages).filter(([path]) => path !== '');
    expect(locked.filter(([, { integrity }]) => !integrity?.startsWith('sha512-'))).toEqual([]);
    expect(locked.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
  });

  it('run only reviewed scripts at their installation', () => {
    const running = Object.entries(packages)
      .filter(([, { hasInstallScript }]) => hasInstallScript === true)
      .map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length));
    expect(running.filter((name) => !(name in manifest.allowScripts))).toEqual([]);
  });

  it('have a written reason each', () => {
    const adr = textOf('internals/adr/0002-runtime-dependencies.md');
    const rows = [...adr.matchAll(/^\| `([^`]+)` \| \S/gm)].map(([, name]) => name);
    expect(rows.sort()).toEqual(Object.keys(manifest.dependencies).sort());
  });
});
