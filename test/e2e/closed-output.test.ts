import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';

const MAIN = fileURLToPath(new URL('../../dist/quaymaster.cjs', import.meta.url));
const NODE = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url));
const FAILING = 'quaymaster_audit_sink_failing{sink="0"}';

let broker: PreparedBroker;
beforeAll(async () => {
  broker = await PreparedBroker.start({
    config: (directory) => ({
      audit: {
        origin: 'quaymaster.test/e2e',
        logKeyFile: `${directory}/keys/log.pem`,
        checkpointFile: `${directory}/keys/checkpoint`,
        sinks: [{ type: 'stdout' }],
      },
    }),
    secrets: { 'own/a': { k: 'v' } },
  });
});
afterAll(() => broker.remove());

it('serves and stops while the reader of its standard output hangs', async () => {
  const token = await broker.logIn();
  broker.installation.pauseOutput();
  // Their entries have more than a megabyte, and a pipe takes a few hundred kilobytes.
  for (let round = 0; round < 30; round += 1) {
    const reads = Array.from({ length: 50 }, () => broker.read(token, 'own/a'));
    const statuses = (await Promise.all(reads)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200]));
  }
  expect(await broker.metric(FAILING)).toBe(0);
  expect(await broker.installation.stop()).toBe(0);
  await broker.installation.start();
});

it('continues to serve when its standard output is closed, and reports that the sink fails (F25)', async () => {
  const token = await broker.logIn();
  expect(await broker.metric(FAILING)).toBe(0);
  broker.installation.closeOutput();
  await until('the sink fails', async () => {
    expect((await broker.read(token, 'own/a')).status).toBe(200);
    return (await broker.metric(FAILING)) === 1;
  });
  expect((await broker.read(token, 'own/a')).status).toBe(200);
  expect(await broker.installation.stop()).toBe(0);
});

it.each([
  ['archive of a stopped broker', ['archive', '--reason', 'test', '--to', 'archive']],
  ['export of a store', ['export', 'export']],
])('exits with 141 when its output is closed before it reports the %s', async (_what, words) => {
  const { installation } = broker;
  await mkdir(installation.file('archive'), { recursive: true });
  const child = spawn(
    NODE,
    [MAIN, 'audit', ...words, '--config', installation.file('config.yaml')],
    { cwd: installation.directory, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let err = '';
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  child.stdout.destroy();
  const [code] = (await once(child, 'exit')) as [number | null];
  expect([code, err]).toEqual([141, '']);
});
