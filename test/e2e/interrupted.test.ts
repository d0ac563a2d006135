import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { FakeVault } from '../kit/fakes/fake-vault.ts';
import { LossyProxy } from '../kit/network/lossy-proxy.ts';
import { CommandLine } from '../kit/cli/command-line.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';

const forever = (): Promise<void> => new Promise(() => undefined);
const mount = (name: string): string =>
  JSON.stringify({
    apiVersion: 'quaymaster.dev/v1',
    kind: 'Mount',
    metadata: { name },
    spec: { prefix: name, connection: 'embedded' },
  });

let broker: PreparedBroker;
let proxy: LossyProxy;
let vault: FakeVault;
let operator: CommandLine;

beforeAll(async () => {
  broker = await PreparedBroker.start();
  proxy = await LossyProxy.start({ address: broker.installation.url });
  vault = await FakeVault.start();
  operator = await CommandLine.make();
  const token = await operator.write('token', broker.operator);
  await operator.ok('login', '--url', proxy.address, '--token-file', token);
});
beforeEach(() => {
  proxy.before = undefined;
  proxy.loses = undefined;
});
afterAll(async () => {
  await operator.remove();
  await vault.close();
  await proxy.close();
  await broker.remove();
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function end(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

it('reports of an interrupted apply the done, the pending and the unknown changes', async () => {
  const file = await operator.write('all.yaml', ['one', 'two', 'three'].map(mount).join('\n---\n'));
  const apply = operator.begin('apply', '-f', file, '--yes');
  // The broker commits the second, the answer is lost, and Ctrl-C comes during the retry.
  const isChange = ({ url }: IncomingMessage): boolean => url === '/api/v1/documents:apply';
  let sent = 0;
  proxy.loses = (request) => isChange(request) && sent === 2;
  proxy.before = async (request) => {
    if (!isChange(request)) return;
    sent += 1;
    if (sent < 3) return;
    apply.kill('SIGINT');
    await forever();
  };
  const { code, err } = await end(apply);
  expect(code).toBe(130);
  expect(err).toBe(
    [
      'created mount one',
      'interrupted',
      '1 applied; possibly applied: mount two; not applied: mount three',
      '',
    ].join('\n'),
  );
  proxy.before = undefined;
  proxy.loses = undefined;
  await operator.ok('mount', 'get', 'two');
  const again = await operator.run('apply', '-f', file, '--yes', '-o', 'json');
  expect(again).toMatchObject({ code: 0, err: 'created mount three\n' });
});

it('reports of an interrupted import the copied, the pending and the unknown secrets', async () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  for (const name of names) vault.put('secret', name, { k: 'v' });
  const token = await operator.write('vault-token', 's.broker');
  const place = ['--address', vault.address, '--kv', '2', '--to', 'own/in', '--yes'];
  const words = ['import', 'vault', ...place, '--vault-token-file', token];
  const child = operator.begin(...words, '-o', 'json');
  let written = 0;
  proxy.before = async ({ method }) => {
    if (method !== 'PUT') return;
    written += 1;
    if (written === 1) return;
    if (written === 5) child.kill('SIGTERM');
    await forever();
  };
  const { code, out, err } = await end(child);
  expect(code).toBe(143);
  expect(JSON.parse(err.split('\n').at(-2) ?? '')).toEqual({
    code: 'interrupted',
    detail:
      'interrupted\n1 copied, 4 possibly copied, 1 not reached; run the command again to continue: existing secrets stay unchanged',
  });
  const { items } = JSON.parse(out) as { items: { source: string; outcome: string }[] };
  expect(items.map(({ source }) => source)).toEqual(names);
  proxy.before = undefined;
  expect(await operator.ok(...words)).toContain('5 copied');
});
