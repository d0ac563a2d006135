import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import plugin from '../../scripts/lint-rules.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const OXLINT = join(ROOT, 'node_modules/oxlint/bin/oxlint');

/** Code that breaks each rule of the plugin, in a file to which the rule applies. */
const BREAKING: Readonly<Record<string, readonly [file: string, code: string]>> = {
  'explicit-module-boundary-types': ['src/a.ts', 'function a() { return 1; }\nexport { a };'],
  'max-depth': ['src/b.ts', 'for (;;) for (;;) { if (b) { if (c) { while (d) { e(); } } } }'],
  'no-array-constructor': ['src/c.ts', 'export const c = new Array(0, 1);'],
  'no-browser-storage': ['console/src/d.ts', "localStorage.setItem('a', 'b');"],
  'no-console': ['src/e.ts', "console.log('a');"],
  'no-default-export': ['src/f.ts', 'export default 1;'],
  'no-distinct-headers': ['src/g.ts', 'export const g = request.headersDistinct;'],
  'no-dynamic-delete': ['src/h.ts', 'delete h[i()];'],
  'no-environment': ['src/i.ts', 'export const i = process.env.PATH;'],
  'no-exit': ['src/j.ts', 'process.exit();'],
  'no-extraneous-class': ['src/k.ts', 'export class K { static a = 1; }'],
  'no-irregular-whitespace': ['src/l.ts', 'export const l =\u00A01;'],
  'no-literal-spread': ['test/m.ts', 'export const m = [...[1, 2]];'],
  'no-math-random': ['src/n.ts', 'export const n = Math.random();'],
  'no-misleading-character-class': ['src/o.ts', 'export const o = /[👍]/;'],
  'no-page-markup': ['console/src/p.tsx', 'export const p = <p style="a" />;'],
  'no-reveal': ['src/cli/q.ts', 'export const q = value.reveal();'],
  'no-system-time': ['src/r.ts', 'export const r = Date.now();'],
  'no-unsafe-optional-chaining': ['src/s.ts', 'export const s = (a?.b).c;'],
  'no-unused-private-class-members': ['src/t.ts', 'export class T { #a = 1; }'],
  'no-unused-vars': ['src/u.ts', 'const u = 1;\nexport type U = typeof u;'],
  'no-url-pathname': ['scripts/v.ts', "export const v = new URL('a', import.meta.url).pathname;"],
  'no-useless-assignment': [
    'src/w.ts',
    'export function w(): number { let a = 1; a = 2; return a; }',
  ],
  'no-useless-escape': ['src/x.ts', "export const x = '\\a';"],
  'preserve-caught-error': ['src/y.ts', "try { y(); } catch (e) { throw new Error('a'); }"],
  'type-names': ['src/z.ts', 'export interface IUser { readonly a: string }'],
  'unified-signatures': [
    'src/aa.ts',
    'export interface A { a(b: number): void; a(b: string): void }',
  ],
};

interface Diagnostic {
  readonly code: string;
  readonly filename: string;
}

describe('the rules of the linter that the project brings', () => {
  let directory: string;
  let findings: readonly string[];
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quaymaster-lint-'));
    const config = JSON.parse(await readFile(join(ROOT, '.oxlintrc.json'), 'utf8')) as object;
    const changes = { jsPlugins: [join(ROOT, 'scripts/lint-rules.ts')], options: {} };
    const path = join(directory, '.oxlintrc.json');
    await writeFile(path, JSON.stringify({ ...config, ...changes }));
    for (const [file, code] of Object.values(BREAKING)) {
      await mkdir(dirname(join(directory, file)), { recursive: true });
      await writeFile(join(directory, file), code);
    }
    const output = await new Promise<string>((resolve) => {
      const args = [OXLINT, '-c', path, '--format', 'json'];
      execFile(process.execPath, args, { cwd: directory }, (_error, stdout) => {
        resolve(stdout);
      });
    });
    const { diagnostics } = JSON.parse(output) as { readonly diagnostics: readonly Diagnostic[] };
    findings = diagnostics.map(({ code, filename }) => `${filename} ${code}`);
  });
  afterAll(() => rm(directory, { recursive: true }));

  it('have an example each', () => {
    expect(Object.keys(plugin.rules).sort()).toEqual(Object.keys(BREAKING).sort());
  });

  it.each(Object.entries(BREAKING))('find what %s forbids', (rule, [file]) => {
    expect(findings).toContain(`${file} quaymaster(${rule})`);
  });
});
