import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CertificateAuthority } from '../kit/network/certificates.ts';

/** A server whose certificate no trusted authority signed, and the requests that it received nevertheless. */
const heard: string[] = [];
const server = createServer(
  new CertificateAuthority().issue({ commonName: 'localhost', dnsNames: ['localhost'] }),
  (request, response) => {
    heard.push(`${request.method ?? ''} ${request.url ?? ''}`);
    response.end('{}');
  },
);
const directory = mkdtempSync(join(tmpdir(), 'qm-tls-'));
const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0' };
const source = (path: string): string => new URL(`../../src/${path}`, import.meta.url).href;

/** One program for each outgoing connection; it succeeds if it trusted the peer. */
function dialOut(port: number): Readonly<Record<string, string>> {
  const address = `https://localhost:${port}`;
  const tokenFile = join(directory, 'token');
  writeFileSync(tokenFile, 'a-token', { mode: 0o600 });
  return {
    kubernetes: `
      const { connectKubernetes } = await import('${source('providers/kubernetes/client/client.ts')}');
      const api = await connectKubernetes({ type: 'kubernetes', server: '${address}', tokenFile: '${tokenFile}' });
      await api.call({ method: 'GET', path: ['api'] }, AbortSignal.timeout(60000));`,
    vault: `
      const { connectVault } = await import('${source('providers/vault/client/client.ts')}');
      const { vaultServerSchema } = await import('${source('providers/vault/config.ts')}');
      const { systemClock } = await import('${source('process/clock.ts')}');
      const auth = { method: 'token', tokenFile: '${tokenFile}' };
      const server = vaultServerSchema.parse({ address: '${address}', auth, limits: { maxRetries: 0 } });
      const client = await connectVault(server, { clock: systemClock, random: () => 0 });
      const context = { requestId: 'r', signal: AbortSignal.timeout(60000) };
      await client.read({ method: 'GET', path: 'secret/data/x' }, context);`,
    discovery: `
      const { DiscoveredJwks } = await import('${source('auth/jwks/discovered-jwks.ts')}');
      await new DiscoveredJwks({ issuerUrl: '${address}', hosts: [] }).fetch(AbortSignal.timeout(60000));`,
  };
}

describe('NODE_TLS_REJECT_UNAUTHORIZED=0 (G06, CVE-2021-22939)', () => {
  const ways: { scripts?: Readonly<Record<string, string>> } = {};

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ways.scripts = dialOut((server.address() as AddressInfo).port);
  });

  afterAll(async () => {
    await new Promise((resolve) => server.close(resolve));
    rmSync(directory, { recursive: true });
  });

  it.each(['kubernetes', 'vault', 'discovery'])(
    'does not make the connection to %s trust a certificate that no authority signed',
    async (way) => {
      heard.length = 0;
      const script = `
        try { ${ways.scripts![way]!}; process.stdout.write('believed'); }
        catch (error) { process.stdout.write(error.name); }
        process.exit(0);`;
      const args = ['--no-warnings', '--input-type=module', '-e', script];
      const { stdout } = await promisify(execFile)(process.execPath, args, { env });
      expect({ stdout, heard }).toEqual({ stdout: 'BrokerError', heard: [] });
    },
  );

  it('stops the program at its start, because libraries read it too', async () => {
    const args = [
      '--no-warnings',
      'src/program/main.ts',
      'config',
      'check',
      '--config',
      'absent.yaml',
    ];
    const started = promisify(execFile)(process.execPath, args, { env });
    await expect(started).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/NODE_TLS_REJECT_UNAUTHORIZED=0 is refused/),
    });
  });
});
