import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { findTarget } from '../../../../src/cli/connection/connection.ts';
import { openBroker } from '../../../../src/cli/connection/open-broker.ts';
import { ProfileFiles } from '../../../../src/cli/connection/profiles.ts';
import { runLogout } from '../../../../src/cli/verbs/login.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { fileTree, removeTreesAfterEach } from '../../../kit/files/file-tree.ts';

removeTreesAfterEach();

const OWN = `qmo_${'p'.repeat(49)}`;
const OTHER = `qmo_${'f'.repeat(49)}`;

let asked: (string | undefined)[] = [];
let server: Server;

beforeEach(async () => {
  asked = [];
  server = createServer(({ method, headers }, response) => {
    asked.push(`${method} ${headers.authorization}`);
    if (method === 'DELETE') response.writeHead(204).end();
    else {
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify({ operator: 'ops', id: 'id-of-the-token' }));
    }
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterEach(() => {
  server.close();
  server.closeAllConnections();
});

it.each(['environment', 'options'] as const)(
  "revokes the profile's own token, whatever token the %s name",
  async (place) => {
    const root = await fileTree({ other: OTHER });
    const configDirectory = join(root, 'quaymaster');
    const files = new ProfileFiles({ configDirectory, keyDirectories: [] });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await files.write('default', { url, login: { kind: 'operator', token: OWN } });
    const context = cliContext({ configDirectory });
    const named = { tokenFile: join(root, 'other'), url };
    const environment = { ...context.environment, ...(place === 'environment' && named) };
    const options = { revoke: true, ...(place === 'options' && named) };
    // Every other verb uses the named token.
    const target = () => findTarget(options, environment);
    const broker = async () =>
      (await openBroker(await target(), { ...context, environment })).broker;
    await runLogout({ ...context, environment, broker }, { args: [], options });
    expect(asked).toEqual([`GET Bearer ${OWN}`, `DELETE Bearer ${OWN}`]);
    expect(await files.read('default')).toBeUndefined();
  },
);
