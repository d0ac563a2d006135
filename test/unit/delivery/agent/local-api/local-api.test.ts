import { spawnSync } from 'node:child_process';
import {
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  chmodSync,
  chownSync,
  existsSync,
} from 'node:fs';
import { request, Server as HttpServer } from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import type { DeliveredSecret } from '../../../../../src/delivery/files/delivered-secret.ts';
import { LocalApi } from '../../../../../src/delivery/agent/local-api/local-api.ts';
import { listenLocally } from '../../../../../src/net/local-server.ts';
import { freePort } from '../../../../kit/backends/free-port.ts';
import { BusySocket } from '../../../../kit/delivery/busy-socket.ts';
import { heldSecret } from '../../../../kit/delivery/held-secret.ts';

const CANARY = 'qm-canary-91de';
const base = mkdtempSync(join(tmpdir(), 'qm-api-'));
afterAll(() => rmSync(base, { recursive: true }));
const opened: LocalApi[] = [];
afterEach(async () => {
  for (const api of opened.splice(0)) await api.close();
});

let refreshed = 0;
const held = heldSecret('db', { password: CANARY, key: { base64: 'AAH/' } }, 'v7');
const source = {
  find: (id: string): DeliveredSecret | undefined =>
    id === 'db' || id === held.path ? held : undefined,
  refresh: (id: string): Promise<DeliveredSecret | undefined> => {
    refreshed += 1;
    return id === 'away' ? Promise.reject(new Error(CANARY)) : Promise.resolve(source.find(id));
  },
};

interface Said {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

interface Asked {
  readonly where: { readonly socketPath: string } | { readonly port: number };
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function ask({
  where,
  path = '/secretsmanager/get?secretId=db',
  method = 'GET',
  headers = {},
}: Asked): Promise<Said> {
  const { promise, resolve, reject } = Promise.withResolvers<Said>();
  const outgoing = request(
    { ...where, host: '127.0.0.1', path, method, headers, agent: false },
    (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      answer.on('end', () =>
        resolve({ status: answer.statusCode!, headers: answer.headers, text }),
      );
    },
  );
  outgoing.on('error', reject).end();
  return promise;
}

let count = 0;
const newPath = (): string => join(base, `socket-${(count += 1)}`);

async function atSocket(path = newPath(), mode = 0o600): Promise<{ readonly socketPath: string }> {
  opened.push(await LocalApi.listen({ socket: path, mode }, source));
  return { socketPath: path };
}

async function atPort(): Promise<{ where: { port: number }; token: string; tokenFile: string }> {
  const port = await freePort();
  const tokenFile = join(base, `token-${port}`);
  opened.push(await LocalApi.listen({ port, tokenFile, mode: 0o600 }, source));
  return { where: { port }, token: readFileSync(tokenFile, 'utf8'), tokenFile };
}

describe('the local API', () => {
  it.each([
    '/secretsmanager/get?secretId=db',
    '/secretsmanager/get?secretId=payments%2Fdb',
    '/v1/payments/db',
  ])('answers %s in the shape of AWS’s agent', async (path) => {
    const { status, headers, text } = await ask({ where: await atSocket(), path });
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'cache-control': 'no-store',
    });
    expect(headers).not.toHaveProperty('access-control-allow-origin');
    expect(JSON.parse(text)).toEqual({
      ARN: 'arn:quaymaster:secretsmanager:::secret:payments/db',
      Name: 'payments/db',
      VersionId: 'v7',
      SecretString: JSON.stringify({ password: CANARY, key: { base64: 'AAH/' } }),
      VersionStages: ['AWSCURRENT'],
      CreatedDate: null,
    });
  });

  it.each([
    ['?secretId=db&versionId=v7&versionStage=AWSCURRENT', 200],
    ['?secretId=db&refreshNow=TRUE', 200],
    ['?secretId=db&versionId=v6', 400],
    ['?secretId=db&versionStage=AWSPREVIOUS', 400],
    ['?secretId=other', 400],
    ['?secretId=away&refreshNow=1', 502],
    ['?secretId=db&refreshNow=perhaps', 400],
    ['?secretId=db&refreshNow=constructor', 400],
    ['?secretId=db&more=1', 400],
    ['?secretId=db&secretId=other', 400],
    ['?secretId=', 400],
    ['', 400],
  ])('answers %j with %i, and discloses nothing in an error (G04)', async (query, status) => {
    const said = await ask({ where: await atSocket(), path: `/secretsmanager/get${query}` });
    expect(said.status).toBe(status);
    expect(said.text.includes(CANARY)).toBe(status === 200);
  });

  it('answers the same for an unknown secret and an unknown version', async () => {
    const where = await atSocket();
    const texts = await Promise.all(
      ['secretId=other', 'secretId=db&versionId=v6'].map((query) =>
        ask({ where, path: `/secretsmanager/get?${query}` }),
      ),
    );
    expect(texts[0]!.text).toBe(texts[1]!.text);
    expect(JSON.parse(texts[0]!.text)).toMatchObject({ __type: 'ResourceNotFoundException' });
  });

  it('calls the broker first only with refreshNow', async () => {
    const where = await atSocket();
    const before = refreshed;
    await ask({ where });
    expect(refreshed).toBe(before);
    await ask({ where, path: '/secretsmanager/get?secretId=db&refreshNow=true' });
    expect(refreshed).toBe(before + 1);
  });

  it.each([
    ['GET', '/ping', 200],
    ['GET', '/start_serving', 404],
    ['GET', '/', 404],
    ['POST', '/secretsmanager/get?secretId=db', 405],
    ['OPTIONS', '/secretsmanager/get?secretId=db', 405],
  ])('answers %s %s with %i', async (method, path, status) => {
    expect((await ask({ where: await atSocket(), method, path })).status).toBe(status);
  });

  it.each([
    ['x-forwarded-for', '10.0.0.1', 400],
    ['forwarded', 'for=10.0.0.1', 400],
    ['via', '1.1 proxy', 400],
    ['origin', 'http://localhost', 403],
    ['sec-fetch-site', 'cross-site', 403],
  ])(
    'gives no data to a request with %s, which no program of the pod sends',
    async (name, value, status) => {
      const { where, token } = await atPort();
      const headers = { 'x-aws-parameters-secrets-token': token, [name]: value };
      for (const place of [where, await atSocket()]) {
        const said = await ask({ where: place, headers });
        expect(said.status).toBe(status);
        expect(said.text).not.toContain(CANARY);
      }
    },
  );

  describe('on a port', () => {
    it('requires the token, which it creates for its own user only (G03)', async () => {
      const { where, token, tokenFile } = await atPort();
      expect(statSync(tokenFile).mode & 0o777).toBe(0o600);
      expect(token).toMatch(/^[\w-]{43}$/);
      const header = 'x-aws-parameters-secrets-token';
      expect((await ask({ where, headers: { [header]: token } })).status).toBe(200);
      expect((await ask({ where, path: '/ping' })).status).toBe(200);
      const wrong = [
        {},
        { [header]: `${token}x` },
        { [header]: '' },
        { authorization: `Bearer ${token}` },
      ];
      for (const headers of wrong) {
        expect(await ask({ where, headers: headers })).toMatchObject({
          status: 403,
          text: 'Bad Token',
        });
      }
    });

    it("accepts requests of Node's fetch", async () => {
      const { where, token } = await atPort();
      const headers = { 'x-aws-parameters-secrets-token': token };
      const url = `http://127.0.0.1:${where.port}/secretsmanager/get?secretId=db`;
      expect((await fetch(url, { headers })).status).toBe(200);
    });

    it.each([
      'evil.test',
      'evil.test:2773',
      '127.0.0.1.evil.test',
      'localhost.evil.test',
      '10.0.0.1',
    ])('is not reached by the name %s, though it may resolve to this machine', async (host) => {
      const { where, token } = await atPort();
      const headers = { host, 'x-aws-parameters-secrets-token': token };
      expect(await ask({ where, headers })).toMatchObject({ status: 403, text: 'Not this host' });
    });

    it('is not reached with a second host', async () => {
      const { where, token } = await atPort();
      const lines = [
        'GET /secretsmanager/get?secretId=db HTTP/1.1',
        `Host: 127.0.0.1:${where.port}`,
        'Host: evil.test',
        `X-Aws-Parameters-Secrets-Token: ${token}`,
        'Connection: close',
      ];
      const socket = connect({ host: '127.0.0.1', port: where.port });
      socket.end(`${lines.join('\r\n')}\r\n\r\n`);
      expect((await text(socket)).split('\r\n')[0]).toMatch(/^HTTP\/1.1 40[03] /);
    });

    it('refuses a token file that another user could have written, and does not block on a pipe', async () => {
      const port = await freePort();
      const tokenFile = join(base, 'planted');
      const listen = () => LocalApi.listen({ port, tokenFile, mode: 0o600 }, source);
      writeFileSync(tokenFile, 'x'.repeat(43), { mode: 0o644 });
      if (process.getuid?.() === 0) {
        chownSync(tokenFile, 65_534, 65_534);
        await expect(listen()).rejects.toThrow(/belongs to user 65534: remove it/);
        chownSync(tokenFile, 0, 0);
      }
      chmodSync(tokenFile, 0o646);
      await expect(listen()).rejects.toThrow(/is writable by all users/);
      rmSync(tokenFile);
      spawnSync('mkfifo', [tokenFile]);
      await expect(listen()).rejects.toThrow(/tokenFile: not a regular file/);
    });

    it('refuses a file without a token, and a port that is taken', async () => {
      const port = await freePort();
      const tokenFile = join(base, 'short');
      writeFileSync(tokenFile, 'short\n');
      const settings = { port, tokenFile, mode: 0o600 };
      await expect(LocalApi.listen(settings, source)).rejects.toThrow(
        /must contain a token of at least 16/,
      );
      const { where } = await atPort();
      const taken = { ...settings, ...where, tokenFile: join(base, 'fresh') };
      await expect(LocalApi.listen(taken, source)).rejects.toThrow(/EADDRINUSE/);
    });
  });

  describe('on a socket', () => {
    it.each([0o600, 0o660])('has the mode %i, whatever the umask is (G03)', async (mode) => {
      const former = process.umask(0);
      try {
        const { socketPath } = await atSocket(newPath(), mode);
        expect(statSync(socketPath).mode & 0o777).toBe(mode);
      } finally {
        process.umask(former);
      }
    });

    it('cannot be reached by another user of the pod (G03)', async () => {
      if (process.getuid?.() !== 0) return;
      chmodSync(base, 0o755);
      const { socketPath } = await atSocket();
      const script = `
        process.setgid(65534); process.setuid(65534);
        require('node:net').connect(${JSON.stringify(socketPath)})
          .on('connect', () => { console.log('reached'); process.exit(); })
          .on('error', ({ code }) => console.log(code));`;
      const { stdout } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
      expect(stdout.trim()).toBe('EACCES');
    });

    it('replaces the socket of a dead process, and nothing else', async () => {
      const path = newPath();
      const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
      spawnSync(process.execPath, ['-e', script]);
      expect(existsSync(path)).toBe(true);
      const where = await atSocket(path);
      expect((await ask({ where })).status).toBe(200);
      await expect(atSocket(path)).rejects.toThrow(/another process listens there/);
      const file = newPath();
      writeFileSync(file, 'mine');
      await expect(atSocket(file)).rejects.toThrow(/exists and is not a socket/);
      expect(readFileSync(file, 'utf8')).toBe('mine');
    });

    it('is created with its mode, before anyone can connect (G03)', async () => {
      const former = process.umask(0);
      const modes: number[] = [];
      class Watched extends HttpServer {
        override listen(path: unknown): this {
          super.listen(path as string);
          modes.push(statSync(path as string).mode & 0o777);
          return this;
        }
      }
      const server = new Watched();
      try {
        await listenLocally(server, { socket: newPath(), mode: 0o600 });
      } finally {
        expect([modes, process.umask(former)]).toEqual([[0o600], 0]);
        server.close();
      }
    });

    it('is not taken from a process that is too busy to answer', async () => {
      const path = newPath();
      const busy = await BusySocket.listen(path);
      await expect(atSocket(path)).rejects.toThrow(/another process may listen there \(EAGAIN\)/);
      expect(existsSync(path)).toBe(true);
      await busy.close();
    });

    it('removes its socket when it is closed', async () => {
      const { socketPath } = await atSocket();
      await opened.pop()!.close();
      expect(existsSync(socketPath)).toBe(false);
      const again = createServer().listen(socketPath);
      await new Promise((resolve) => again.close(resolve));
    });
  });
});
