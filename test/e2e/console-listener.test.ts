import { request } from 'node:https';
import type { IncomingHttpHeaders } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freePort } from '../kit/backends/free-port.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';
import { CertificateAuthority } from '../kit/network/certificates.ts';
import { eventually } from '../kit/time/eventually.ts';

const authority = new CertificateAuthority();
let broker: PreparedBroker;
let origin: string;

interface Answered {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

beforeAll(async () => {
  const port = await freePort();
  origin = `https://127.0.0.1:${port}`;
  const { cert, key } = authority.issue({ commonName: 'console', ipAddresses: ['127.0.0.1'] });
  broker = await PreparedBroker.start({
    files: { 'console.crt': cert, 'console.key': key },
    config: (directory) => ({
      console: {
        enabled: true,
        origin,
        listener: {
          host: '127.0.0.1',
          port,
          tls: {
            certificateFile: `${directory}/console.crt`,
            keyFile: `${directory}/console.key`,
          },
        },
      },
    }),
  });
  // The broker is ready before it opens this listener.
  await eventually('the console listens', () => send('GET', '/console/').catch(() => undefined));
});
afterAll(() => broker.remove());

/** Sends what a script of the page sends. */
function send(
  method: string,
  path: string,
  { cookie, body }: { readonly cookie?: string; readonly body?: object } = {},
): Promise<Answered> {
  const headers = {
    'Sec-Fetch-Site': 'same-origin',
    Origin: origin,
    'X-Quaymaster-Console': 'test',
    ...(cookie !== undefined && { Cookie: cookie }),
    ...(body !== undefined && { 'Content-Type': 'application/json' }),
  };
  return new Promise((resolve, reject) => {
    const sent = request(`${origin}${path}`, { method, headers, ca: authority.cert }, (answer) => {
      let text = '';
      answer.on('data', (piece: Buffer) => (text += piece.toString()));
      answer.on('end', () => {
        resolve({ status: answer.statusCode, headers: answer.headers, text });
      });
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

describe('a console with a listener of its own', () => {
  it('serves the page over TLS, and sets a cookie that only this host can set', async () => {
    expect((await send('GET', '/console/')).status).toBe(200);
    const opened = await send('POST', '/console/session', { body: { token: broker.operator } });
    expect(opened.status).toBe(204);
    const [cookie = ''] = opened.headers['set-cookie'] ?? [];
    expect(cookie).toMatch(/^__Host-session=[^;]+; Path=\/; HttpOnly; SameSite=Strict; Secure$/);
    const session = cookie.split(';')[0] ?? '';
    const self = '/console/call/api/v1/operator-tokens/self';
    expect((await send('GET', self, { cookie: session })).status).toBe(200);
    // A cookie of the name that plain HTTP uses opens nothing.
    const tossed = session.replace('__Host-session', `session-${new URL(origin).port}`);
    expect((await send('GET', self, { cookie: tossed })).status).toBe(401);
  });

  it('serves no API there, and no page at the address of the API', async () => {
    expect((await send('GET', '/api/v1/secrets')).status).toBe(404);
    const page = await fetch(`${broker.installation.url}/console/`);
    expect(page.status).toBe(404);
  });
});
