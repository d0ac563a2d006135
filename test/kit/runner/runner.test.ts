import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';

const JEST = fileURLToPath(new URL('../../../node_modules/jest/bin/jest.js', import.meta.url));
const RUNNER = fileURLToPath(new URL('runner.ts', import.meta.url));
const GLOBALS = `import { beforeAll, describe, expect, it, jest } from '@jest/globals';\n`;

const CHANGES = `it('finds no change of another suite, and leaves its own', () => {
  expect(process.env.CHANGED).toBeUndefined();
  expect(typeof JSON.parse('1')).toBe('number');
  process.env.CHANGED = 'yes';
  jest.spyOn(JSON, 'parse').mockReturnValue('mocked');
});`;
const SUITES = {
  'mixed.test.ts': `
    it('passes', () => expect({ a: 1 }).toEqual({ a: 1 }));
    it('fails for a matcher', () => expect({ a: 1 }).toEqual({ a: expect.any(String) }));
    it('passes for promises', async () => {
      await expect(Promise.resolve(1)).resolves.not.toBe(2);
      await expect(Promise.reject(new Error('no'))).rejects.toThrow('no');
    });
    it('fails for a negation', () => expect(1).not.toBe(1));
    it('fails for a value', () => expect(Promise.resolve('value')).rejects.toThrow('no'));
    it('fails for another value', () => expect(Promise.resolve(1)).resolves.toBe(2));
    it.each([1, 2])('fails for %d', (value) => expect(value).toBe(0));
    it.skip('is skipped', () => undefined);
    it('has an unhandled rejection', async () => {
      void Promise.reject(new Error('unhandled'));
      await new Promise((resolve) => setTimeout(resolve, 10));
    });
    it('hangs', () => new Promise(() => undefined), 10);
    describe('with a hook that fails', () => {
      beforeAll(() => Promise.reject(new Error('hook')));
      it('is not run', () => undefined);
    });`,
  'changes.test.ts': CHANGES,
  'also-changes.test.ts': CHANGES,
  'exits.test.ts': `it('ends the process', () => process.exit(0));`,
  'absent.test.ts': `import './absent.ts';`,
};

interface Report {
  readonly success: boolean;
  readonly numRuntimeErrorTestSuites: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly title: string; readonly status: string }[];
  }[];
}

let directory: string;
let report: Report;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quaymaster-runner-'));
  for (const [name, text] of Object.entries(SUITES)) {
    await writeFile(join(directory, name), GLOBALS + text);
  }
  const config = JSON.stringify({
    rootDir: directory,
    runner: RUNNER,
    testMatch: ['**/*.test.ts'],
    extensionsToTreatAsEsm: ['.ts'],
    transform: {},
  });
  const output = join(directory, 'report.json');
  const args = [JEST, '--config', config, '-i', '--json', '--outputFile', output];
  await new Promise((resolve) => execFile(process.execPath, args, resolve));
  report = JSON.parse(await readFile(output, 'utf8')) as Report;
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function suite(name: string): Report['testResults'][number] | undefined {
  return report.testResults.find((each) => basename(each.name) === name);
}

it('reports each test as jest does', () => {
  const statuses = suite('mixed.test.ts')?.assertionResults.map(({ title, status }) => [
    title,
    status,
  ]);
  expect(statuses).toEqual([
    ['passes', 'passed'],
    ['fails for a matcher', 'failed'],
    ['passes for promises', 'passed'],
    ['fails for a negation', 'failed'],
    ['fails for a value', 'failed'],
    ['fails for another value', 'failed'],
    ['fails for 1', 'failed'],
    ['fails for 2', 'failed'],
    ['is skipped', 'pending'],
    ['has an unhandled rejection', 'failed'],
    ['hangs', 'failed'],
    ['is not run', 'failed'],
  ]);
  expect(suite('mixed.test.ts')?.message).toContain('mixed.test.ts:');
});

it('gives no suite the changes of another', () => {
  for (const name of ['changes.test.ts', 'also-changes.test.ts']) {
    expect(suite(name)?.assertionResults.map(({ status }) => status)).toEqual(['passed']);
  }
});

it('fails a suite that cannot be loaded or ends its process', () => {
  expect(suite('absent.test.ts')?.message).toContain('absent.ts');
  expect(suite('exits.test.ts')?.message).toContain('the worker ended without a result');
  expect([report.success, report.numRuntimeErrorTestSuites]).toEqual([false, 2]);
});
