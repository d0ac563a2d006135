import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { freePort } from '../kit/backends/free-port.ts';
import { until } from '../kit/backends/until.ts';
import { textOf } from '../kit/tracked-files.ts';

const run = promisify(execFile);
const ROOT = new URL('../..', import.meta.url).pathname;
const NODE = join(ROOT, 'node_modules/.bin/node');
const PROGRAM = [NODE, '--disable-sigusr1', join(ROOT, 'src/main.ts')];
const [, here = '', cluster = ''] = textOf('docs/quickstart.md').split(/^## .*$/m);

function blocks(text: string, language: string): readonly string[] {
  const all = text.matchAll(new RegExp(`^ *\`\`\`${language}\\n(.*?)^ *\`\`\`$`, 'gms'));
  return [...all].map(([, block]) => block ?? '');
}

describe('the quickstart', () => {
  let directory: string;
  let broker: ChildProcess;
  let url: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quaymaster-quickstart-'));
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const [node, ...words] = [...PROGRAM, 'dev', '--port', String(port)];
    broker = spawn(node, words, { cwd: directory, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    broker.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await until('the guide is printed', () => Promise.resolve(output.includes('audit verify')));
  }, 60_000);

  afterAll(async () => {
    broker.kill('SIGTERM');
    await once(broker, 'exit');
    await rm(directory, { recursive: true });
  });

  it('on this machine ends with a file, an entry and a lease', async () => {
    const asIfByNpm = `qm() { ${PROGRAM.join(' ')} "$@"; }`;
    const script = blocks(here, 'sh')
      .join('\n')
      .replaceAll('http://127.0.0.1:8200', url)
      .replace(/^qm\(\) .*$/m, asIfByNpm);
    expect(script).toContain(asIfByNpm);
    const env = { PATH: process.env['PATH'] ?? '', HOME: directory };
    const { stdout } = await run('bash', ['-euc', script], { cwd: directory, env });
    expect(stdout).toContain('+ policy shop-web');
    expect(stdout).toContain('"password": "correct horse"');
    expect(stdout).toMatch(/secret\.read +ok +- +shop\/mail/);
    expect(stdout).toMatch(/^lea_\w+ +k8s:\/\/dev\/shop\/web +\S+ +shop\/mail/m);
  }, 60_000);

  it('in a cluster shows documents that are well-formed', () => {
    const kinds = blocks(cluster, 'yaml')
      .flatMap((block) => parseAllDocuments(block))
      .map((document) => {
        expect(document.errors).toEqual([]);
        return (document.toJS() as { readonly kind?: string }).kind;
      });
    expect(kinds).toEqual([undefined, 'Cluster', 'Pod']);
  });
});
