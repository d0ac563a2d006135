import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { AwsSource } from '../../../src/cli/import/aws-source.ts';
import { collect } from '../../../src/cli/collect.ts';
import { EXIT } from '../../../src/cli/exit-codes.ts';
import { Interrupted } from '../../../src/cli/interrupted.ts';

let server: Server;
let ended: AbortController;
let source: AwsSource;

beforeEach(async () => {
  process.env['AWS_ACCESS_KEY_ID'] = 'AKIAIOSFODNN7EXAMPLE';
  process.env['AWS_SECRET_ACCESS_KEY'] = 'none';
  server = createServer(() => ended.abort(new Interrupted(EXIT.interrupted)));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  ended = new AbortController();
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  source = await AwsSource.open({ region: 'eu-west-1', endpoint, prefix: '' }, ended.signal);
});
afterEach(() => {
  source.close();
  server.close();
  server.closeAllConnections();
});

it.each([
  ['a secret', () => source.read('a')],
  ['the list', () => collect(source.list())],
])(
  'AWS is not waited for when it is ended while it does not answer with %s',
  async (_what, ask) => {
    await expect(ask()).rejects.toBeInstanceOf(Interrupted);
  },
);
