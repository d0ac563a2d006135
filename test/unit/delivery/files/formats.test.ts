import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { afterAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { load, YAML11_SCHEMA } from 'js-yaml';
import {
  renderDotenv,
  renderJson,
  renderKeyFiles,
  renderProperties,
  renderYaml,
} from '../../../../src/delivery/files/formats.ts';

const directory = mkdtempSync(join(tmpdir(), 'qm-formats-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** Allowed content of secrets: text without NUL and lone surrogates. */
const text = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((each) => !each.includes('\0'));
const AWKWARD = fc.constantFrom(
  '',
  ' ',
  "'",
  '"',
  '$(id)',
  '`id`',
  '\\',
  '\\n',
  '#x',
  'a=b',
  'no',
  '012',
  '1:30',
  '~',
  '!!x',
  'line\nline',
  '\ttab ',
  '${HOME}',
  '{{ x }}',
  "it's $5",
  'ü€😀',
  '\u2028',
  '-----BEGIN-----\n\n',
);
const value = fc.oneof(
  text,
  AWKWARD,
  fc.tuple(AWKWARD, text, AWKWARD).map((parts) => parts.join('')),
);
const variable = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,20}$/).filter((name) => name !== '_');

describe('JSON', () => {
  it('has the keys in one order, and bytes in the form of the API', () => {
    const data = { b: '2', a: { base64: 'AAH/' } };
    const other = { a: { base64: 'AAH/' }, b: '2' };
    expect(JSON.parse(renderJson(data).toString())).toEqual(data);
    expect(renderJson(data)).toEqual(renderJson(other));
  });
});

describe('files', () => {
  it('are the values and nothing else: no line end, bytes as bytes', () => {
    const data = { password: 'p', key: { base64: 'AAH/' } };
    expect(renderKeyFiles(data)).toEqual([
      ['key', Buffer.from([0, 1, 255])],
      ['password', Buffer.from('p')],
    ]);
  });

  it.each(['..', '.', '../x', 'a/b', '..data', 'a\nb', '', 'x'.repeat(256)])(
    'are refused for the key %j, which cannot be a file name (G02)',
    (key) => {
      const failed = (): unknown => renderKeyFiles({ [key]: 'CANARY' });
      expect(failed).toThrow(/cannot be a file name/);
      expect(failed).not.toThrow(/CANARY/);
    },
  );
});

describe('dotenv', () => {
  /** The values that a POSIX shell has after reading the file. */
  function inShell(content: Buffer, names: readonly string[]): readonly string[] {
    const file = join(directory, 'env');
    writeFileSync(file, content);
    const script = `set -a; . ${file}; for name; do printenv "$name" | head -c -1; printf '\\0'; done`;
    const said = execFileSync('sh', ['-c', script, 'sh', ...names], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'] },
    });
    return said.split('\0').slice(0, -1);
  }

  it('is read back by a shell exactly, for any value', () => {
    const names = ['QM_A', 'QM_B', 'QM_C'] as const;
    const values = fc.tuple(value, value, value);
    const holds = fc.property(values, ([a, b, c]) => {
      const content = renderDotenv({ QM_A: a, QM_B: b, QM_C: c });
      expect(inShell(content, names)).toEqual([a, b, c]);
    });
    fc.assert(holds, { numRuns: 150 });
  });

  it('is read by Node as by a shell if no value has a single quote', () => {
    const plain = value.filter((each) => !each.includes("'") && !each.includes('\r'));
    const holds = fc.property(variable, plain, (name, each) => {
      const read = parseEnv(renderDotenv({ [name]: each }).toString());
      expect(read).toEqual({ [name]: each });
    });
    fc.assert(holds);
  });

  it.each(['user-name', '1st', 'a b', 'PATH;id', ''])(
    'refuses the key %j, which cannot be a variable name',
    (key) => {
      expect(() => renderDotenv({ [key]: 'v' })).toThrow(/cannot be a variable name/);
    },
  );

  it('refuses bytes', () => {
    expect(() => renderDotenv({ KEY: { base64: 'AAH/' } })).toThrow(/holds bytes/);
  });
});

describe('properties', () => {
  it.each([
    ['plain', 'value', 'plain=value\n'],
    ['a key', '  two blanks ', 'a\\ key=\\ \\ two blanks \n'],
    ['a:b=c', 'x:y=z', 'a\\:b\\=c=x\\:y\\=z\n'],
    ['#c', '!v#', '\\#c=\\!v\\#\n'],
    ['lines', 'a\nb\r\tc\f', 'lines=a\\nb\\r\\tc\\f\n'],
    ['back', 'C:\\dir', 'back=C\\:\\\\dir\n'],
    ['ü', '€😀', '\\u00FC=\\u20AC\\uD83D\\uDE00\n'],
  ])('has %j as java.util.Properties writes it', (key, each, expected) => {
    expect(renderProperties({ [key]: each }).toString()).toBe(expected);
  });

  it('is ASCII alone', () => {
    const holds = fc.property(value, value, (key, each) => {
      expect(renderProperties({ [key]: each }).toString()).toMatch(/^[\n -~]*$/);
    });
    fc.assert(holds);
  });
});

describe('YAML', () => {
  it('is a map of strings to a reader of 1.1 and of 1.2, whatever the values look like', () => {
    const holds = fc.property(fc.dictionary(value, value), (data) => {
      const content = renderYaml(data).toString();
      expect({ ...(load(content) as object) }).toEqual({ ...data });
      expect({ ...(load(content, { schema: YAML11_SCHEMA }) as object) }).toEqual({ ...data });
    });
    fc.assert(holds);
  });

  it('has bytes as !!binary', () => {
    const content = renderYaml({ key: { base64: 'AAH/' } }).toString();
    expect(load(content, { schema: YAML11_SCHEMA })).toEqual({
      key: new Uint8Array([0, 1, 255]),
    });
  });
});
