import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findProgram } from '../kit/backends/find-program.ts';
import { textOf } from '../kit/pages/tracked-files.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PACKAGE = join(ROOT, 'dist/packages/client');
const MOST_BYTES = 450 * 1024;
const run = promisify(execFile);

interface Packed {
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

/** A folder with the package and its only dependency, as `npm install` makes it. */
let consumer: string;
beforeAll(() => {
  consumer = mkdtempSync(join(tmpdir(), 'qm-client-'));
  mkdirSync(join(consumer, 'node_modules/@quaymaster'), { recursive: true });
  symlinkSync(PACKAGE, join(consumer, 'node_modules/@quaymaster/client'));
  symlinkSync(join(ROOT, 'node_modules/jose'), join(consumer, 'node_modules/jose'));
  symlinkSync(join(ROOT, 'node_modules/@types'), join(consumer, 'node_modules/@types'));
  writeFileSync(join(consumer, 'package.json'), '{"type": "module"}');
});
afterAll(() => rmSync(consumer, { recursive: true }));

describe('the package @quaymaster/client', () => {
  it('has at most 450 KB, no test and no module of the broker', async () => {
    const { stdout } = await run('npm', ['pack', '--dry-run', '--json'], { cwd: PACKAGE });
    const [packed] = JSON.parse(stdout) as Packed[];
    expect(packed?.unpackedSize).toBeLessThanOrEqual(MOST_BYTES);
    const rooms = packed?.files.map(({ path }) => path.split('/')[0] ?? '');
    expect([...new Set(rooms)].sort()).toEqual([
      'LICENSE',
      'README.md',
      'client',
      'crypto',
      'net',
      'package.json',
      'ports',
      'process',
    ]);
  });

  it('depends on jose alone, in the version that was tested', async () => {
    const { default: manifest } = (await import(join(PACKAGE, 'package.json'), {
      with: { type: 'json' },
    })) as { readonly default: Readonly<Record<string, unknown>> };
    const root = JSON.parse(textOf('package.json')) as {
      readonly version: string;
      readonly dependencies: Readonly<Record<string, string>>;
    };
    expect(manifest).toMatchObject({
      name: '@quaymaster/client',
      version: root.version,
      dependencies: { jose: root.dependencies['jose'] },
    });
    expect(Object.keys(manifest['dependencies'] as object)).toEqual(['jose']);
  });

  it.each(['node', join(ROOT, 'node_modules/.bin/node')])(
    'runs on %s, with sealed sessions and without',
    async (name) => {
      const node = findProgram(name) ?? name;
      writeFileSync(
        join(consumer, 'use.mjs'),
        `import { BrokerClient, WorkloadSession } from '@quaymaster/client';
         const client = new BrokerClient({ url: 'http://127.0.0.1:1', tries: 2, random: () => 0 });
         for (const sealed of [false, true])
           await WorkloadSession.logIn(client, { cluster: 'c', token: 't', sealed })
             .catch(({ name, reason }) => console.log(name, reason));`,
      );
      const { stdout } = await run(node, ['use.mjs'], { cwd: consumer });
      expect(stdout).toBe('UnreachableError no_connection\n'.repeat(2));
    },
  );

  it('gives a TypeScript program the types of each answer, and compiles the program of its README', async () => {
    const [, readme = ''] = /```js\n([^]*?)```/.exec(textOf('clients/typescript/README.md')) ?? [];
    expect(readme).not.toBe('');
    writeFileSync(join(consumer, 'readme.ts'), readme);
    writeFileSync(
      join(consumer, 'use.ts'),
      `import type { Secret, WorkloadSession } from '@quaymaster/client';
       export async function use(session: WorkloadSession): Promise<Secret> {
         for await (const { path } of session.follow(['a/b'])) return session.read(path);
         const [first] = await session.readAll(['a/b']);
         // @ts-expect-error a version is a string
         const version: number = first!.version;
         throw new Error(String(version));
       }`,
    );
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023'];
    const files = ['use.ts', 'readme.ts'];
    const words = [tsc, ...options, '--types', 'node', ...files];
    const { stdout } = await run(process.execPath, words, { cwd: consumer });
    expect(stdout).toBe('');
  });
});
