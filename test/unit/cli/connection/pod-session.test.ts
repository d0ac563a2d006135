import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { failureOf } from '../../../../src/cli/output/failure.ts';
import { findTarget } from '../../../../src/cli/connection/connection.ts';
import { openBroker } from '../../../../src/cli/connection/open-broker.ts';
import { runLogin } from '../../../../src/cli/verbs/login.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { fileTree, removeTreesAfterEach } from '../../../kit/files/file-tree.ts';
import { leftOut, SmallDisk, itIfMounted } from '../../../kit/files/small-disk.ts';

removeTreesAfterEach();

/** The session that a test opens for this time. */
const tokenOf = (time: number): string => `qms_${String(time).repeat(49)}`;
const SESSION = {
  id: 'ses_1',
  workload: { id: 'k8s://c1/prod/api' },
  endsAt: '2026-01-05T11:00:00Z',
};

let asked: string[] = [];
let made = 0;
let server: Server;
let root: string;

beforeEach(async () => {
  [asked, made] = [[], 0];
  server = createServer(({ method, url, headers }, response) => {
    asked.push(`${method} ${url} ${headers.authorization ?? 'no token'}`);
    if (method === 'DELETE') response.writeHead(204).end();
    else {
      response.writeHead(201, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify({ token: tokenOf((made += 1)), session: SESSION }));
    }
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  root = await fileTree({ 'pod-token': 'a.b.c' });
});
afterEach(() => {
  server.close();
  server.closeAllConnections();
});

const MADE = 'POST /api/v1/sessions no token';
const ended = (time: number) => `DELETE /api/v1/sessions/self Bearer ${tokenOf(time)}`;

describe(`the session of a pod${leftOut}`, () => {
  const address = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const context = () => cliContext({ configDirectory: join(root, 'quaymaster') });

  it('is closed if its profile cannot be written', async () => {
    await mkdir(join(root, 'quaymaster/profiles/default.json'), { recursive: true });
    const podTokenFile = join(root, 'pod-token');
    const options = { name: 'default', url: address(), cluster: 'c1', podTokenFile };
    const failure = await runLogin(context(), { args: [], options }).catch(failureOf);
    expect(failure).toMatchObject({ exitCode: 1 });
    expect((failure as { text: string }).text).toContain('default.json cannot be written: EISDIR');
    expect(asked).toEqual([MADE, ended(1)]);
  });

  itIfMounted('is closed if it replaced an expired one and cannot be saved', async () => {
    const disk = SmallDisk.mount('1m');
    const configDirectory = disk?.path ?? '';
    try {
      const context = cliContext({ configDirectory });
      const login = { cluster: 'c1', podTokenFile: join(root, 'pod-token') };
      const options = { ...login, url: address() };
      await runLogin(cliContext({ configDirectory }), { args: [], options });
      await writeFile(join(configDirectory, 'full'), Buffer.alloc(2_000_000)).catch(() => 'full');
      asked = [];
      const clock = { ...context.clock, now: () => Date.parse(SESSION.endsAt) };
      const target = await findTarget({}, context.environment);
      const failure = await openBroker(target, { ...context, clock }).catch(failureOf);
      expect(failure).toMatchObject({ exitCode: 1 });
      expect(asked).toEqual([MADE, ended(2)]);
    } finally {
      disk?.unmount();
    }
  });
});
