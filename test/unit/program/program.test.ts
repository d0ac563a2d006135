import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Command } from 'commander';
import { createProgram, runProgram } from '../../../src/program/program.ts';
import { fileTree, removeTreesAfterEach } from '../../kit/files/file-tree.ts';

removeTreesAfterEach();

const argv = process.argv;
let said = '';

beforeEach(() => {
  said = '';
  jest.spyOn(console, 'error').mockImplementation((text: unknown) => {
    said += `${String(text)}\n`;
  });
});
afterEach(() => {
  process.argv = argv;
  process.exitCode = undefined;
  jest.restoreAllMocks();
});

const ODD = '/nowhere/\u001b[2Jx\u202e';

it.each([
  ['a message and its cause', ['config', 'check', '-c', ODD], 2],
  ['the name of a directory', ['dev', '--directory', `/dev/null${ODD}`], 2],
  ['the name of a file', ['audit', 'verify', tmpdir(), '--checkpoint', ODD], 2],
])('escapes control characters in %s', async (_what, words, code) => {
  process.argv = ['node', 'quaymaster', ...words];
  expect(await runProgram()).toBe(code);
  expect(said).toContain('/nowhere/\\u{1b}[2Jx\\u{202e}');
  expect(said).not.toMatch(/[^\P{Cc}\n\t]|[\p{Cf}]/u);
});

it.each([
  ['/nowhere/token does not exist', ['--token-file', '/nowhere/token']],
  ['/dev/null does not contain a Quaymaster token', ['--token-file', '/dev/null']],
])('names what is wrong with the login of an export: %s', async (message, options) => {
  jest.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += text.toString();
    return true;
  });
  const url = ['--url', 'http://127.0.0.1:9'];
  process.argv = ['node', 'quaymaster', 'audit', 'export', '/nowhere/export', ...url, ...options];
  expect(await runProgram()).toBeUndefined();
  expect(process.exitCode).toBe(64);
  expect(said).toBe(`${message}\n`);
});

it('reports an export that does not exist on one line', async () => {
  process.argv = ['node', 'quaymaster', 'audit', 'verify', '/nowhere/export'];
  expect(await runProgram()).toBe(2);
  expect(said).toBe('ERR_CONFIG_INVALID: cannot read directory /nowhere/export: ENOENT\n');
});

it('escapes control characters in an unknown command', async () => {
  jest.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += text.toString();
    return true;
  });
  process.argv = ['node', 'quaymaster', 'policy', 'x\u001b[2J'];
  expect(await runProgram()).toBe(64);
  expect(said).toContain("unknown command 'x\\u{1b}[2J'\n");
});

it('escapes control characters in a confirmation', async () => {
  jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
    said += text.toString();
    return true;
  });
  const config = {
    store: { type: 'sqlite', path: '/nowhere/store/db' },
    kek: { type: 'local-file', path: '/nowhere/kek' },
    audit: {
      origin: 'quaymaster.test/odd',
      logKeyFile: '/nowhere/log.pem',
      checkpointFile: '/nowhere/checkpoint',
    },
  };
  const root = await fileTree({ 'odd\u001b[2J': JSON.stringify(config) });
  process.argv = ['node', 'quaymaster', 'config', 'check', '-c', join(root, 'odd\u001b[2J')];
  expect(await runProgram()).toBeUndefined();
  expect(said).toBe(`${root}/odd\\u{1b}[2J is valid\n`);
});

it('groups the commands in the help by purpose, and shows the first steps', async () => {
  jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
    said += text.toString();
    return true;
  });
  process.argv = ['node', 'quaymaster', '--help'];
  expect(await runProgram()).toBeUndefined();
  const headings = [...said.matchAll(/^(\w[^:\n]*):$/gm)].map(([, heading]) => heading);
  expect(headings).toEqual([
    'Options',
    'Login',
    'Secrets',
    'For workloads',
    'Documents from files',
    'Policies',
    'Operators',
    'Rotation',
    'Leases',
    'Answering a compromise',
    'Approvals',
    'Image signatures',
    'Evidence about images',
    'Keys',
    'Backups',
    'Import',
    'Tools',
    'Audit log',
    'Broker',
    'Delivery to applications',
    'Commands',
    'First steps',
  ]);
  expect(said).toContain('quaymaster login --url https://HOST:PORT --token-file FILE');
});

describe('the commands of a command line', () => {
  const namesOf = ({ commands }: { readonly commands: readonly Command[] }): readonly string[] =>
    commands.map((each) => each.name());

  it('are only those that begin with its first word', () => {
    expect(namesOf(createProgram('get'))).toEqual(['get']);
    const [policy] = createProgram('policy').commands;
    const all = createProgram().commands.find((each) => each.name() === 'policy');
    expect(policy && namesOf(policy)).toEqual(all && namesOf(all));
  });

  it.each(['--help', 'help', 'list', 'polcy', ''])('are all of them for the word "%s"', (word) => {
    expect(namesOf(createProgram(word))).toEqual(namesOf(createProgram()));
  });

  it('are all in the completion of a shell', async () => {
    jest.spyOn(process.stdout, 'write').mockImplementation((text, ...rest: unknown[]) => {
      said += text.toString();
      const written = rest.at(-1) as (() => void) | undefined;
      written?.();
      return true;
    });
    process.argv = ['node', 'quaymaster', 'completion', 'fish'];
    expect(await runProgram()).toBeUndefined();
    expect(namesOf(createProgram()).filter((name) => !said.includes(` ${name}`))).toEqual([]);
  });
});
