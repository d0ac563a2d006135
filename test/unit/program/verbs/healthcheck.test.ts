import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { dump, load } from 'js-yaml';
import { runHealthcheck } from '../../../../src/program/verbs/healthcheck.ts';
import { CertificateAuthority } from '../../../kit/network/certificates.ts';
import { fileTree, removeTreesAfterEach } from '../../../kit/files/file-tree.ts';

removeTreesAfterEach();

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** A listener that demands client certificates and answers the rest with `status`; returns a configuration that names its port. */
async function listening(status: number, clientAuth: 'optional' | 'required'): Promise<string> {
  const authority = new CertificateAuthority();
  const own = authority.issue({ commonName: 'broker', ipAddresses: ['127.0.0.1'] });
  const isRequired = clientAuth === 'required';
  const options = { ...own, ca: authority.cert, requestCert: true, rejectUnauthorized: isRequired };
  server = createServer({ ...options, minVersion: 'TLSv1.3' }, (_request, response) => {
    response.writeHead(status).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const files = { certificateFile: '/a/cert', keyFile: '/a/key', clientCaFile: '/a/ca' };
  const config = {
    listener: { host: '127.0.0.1', port, tls: { ...files, clientAuth } },
    store: { type: 'sqlite', path: '/a/b.db' },
    kek: { type: 'local-file', path: '/b/kek' },
    audit: { origin: 'quaymaster.test/x', logKeyFile: '/b/log', checkpointFile: '/b/checkpoint' },
  };
  const root = await fileTree({ 'config.yaml': dump(config) });
  return join(root, 'config.yaml');
}

describe('healthcheck', () => {
  it.each(['optional', 'required'] as const)(
    'finds a broker with clientAuth %s alive, without a certificate of its own',
    async (clientAuth) => {
      expect(await runHealthcheck(await listening(200, clientAuth))).toBe('alive');
    },
  );

  it('fails for another status, and if nothing listens', async () => {
    const file = await listening(503, 'optional');
    await expect(runHealthcheck(file)).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
    server?.closeAllConnections();
    server?.close();
    await expect(runHealthcheck(file)).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      message: expect.stringContaining(`start the broker, or correct "listener" in ${file}`),
      cause: { code: 'ECONNREFUSED' },
    });
  });

  it('refuses a configuration whose port is 0', async () => {
    const file = await listening(200, 'optional');
    const config = load(await readFile(file, 'utf8')) as { readonly listener: object };
    const listener = { ...config.listener, port: 0 };
    await writeFile(file, dump({ ...config, listener }), { mode: 0o600 });
    await expect(runHealthcheck(file)).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringContaining('listener.port is 0'),
    });
  });
});
