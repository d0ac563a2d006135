import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWithProgram } from '../kit/backends/describe-with-program.ts';
import { findCanary } from '../kit/checks/find-canary.ts';
import { PythonClient } from '../kit/delivery/python-client.ts';

const CANARY = 'canary-of-a-hostile-answer';
const POD_TOKEN = 'canary.of.a-pod-token';
const SESSION_TOKEN = `qms_${'c4n4ry'.repeat(8)}x`;
const JSON_TYPE = { 'content-type': 'application/json' };
const SECRET = `{"path": "own/db", "version": "1", "data": {"password": "${CANARY}"}}`;
const PROBLEM = {
  type: 'urn:quaymaster:error:ERR_BUSY',
  title: 'Busy',
  status: 503,
  code: 'ERR_BUSY',
  requestId: 'req_1',
};

type Answer = (response: ServerResponse, socket: Socket) => void;

function inJson(text: string): Answer {
  return (response) => response.writeHead(200, JSON_TYPE).end(text);
}

function raw(text: string): Answer {
  return (_response, socket) => void socket.end(text.replaceAll('\n', '\r\n'));
}

function problem(status: number, more: object, headers: Record<string, string> = {}): Answer {
  return (response) =>
    response
      .writeHead(status, { 'content-type': 'application/problem+json', ...headers })
      .end(JSON.stringify({ ...PROBLEM, status, ...more }));
}

/** Sends a byte every 100 ms, forever. */
function drip(head: string): Answer {
  return (_response, socket) => {
    socket.write(head.replaceAll('\n', '\r\n'));
    const timer = setInterval(() => socket.write('x'), 100);
    socket.once('close', () => clearInterval(timer));
  };
}

function endless(response: ServerResponse): void {
  response.writeHead(200, JSON_TYPE);
  const chunk = Buffer.alloc(1024 * 1024, ' ');
  const write = (): void => {
    while (!response.destroyed && response.write(chunk));
    if (!response.destroyed) response.once('drain', write);
  };
  write();
}

/** Answers to a read, and the error of the client. */
const ANSWERS: Readonly<Record<string, readonly [Answer, string]>> = {
  'over 32 MiB': [endless, 'UnreachableError too_large'],
  'a problem of over 256 KiB': [
    problem(403, { code: 'ERR_DENIED', detail: 'x'.repeat(300_000) }),
    'UnreachableError too_large',
  ],
  'a duplicate key': [
    inJson(SECRET.replace('"version"', '"path": "own/other", "version"')),
    'UnreachableError not_ours',
  ],
  'another path': [inJson(SECRET.replace('own/db', 'own/other')), 'UnreachableError not_ours'],
  'a value that is a number': [
    inJson(SECRET.replace('"data": {', '"data": {"n": 7, ')),
    'UnreachableError not_ours',
  ],
  'no JSON': [inJson(CANARY), 'UnreachableError not_ours'],
  'incomplete JSON': [inJson(SECRET.slice(0, -2)), 'UnreachableError not_ours'],
  'deep JSON': [inJson('['.repeat(100_000)), 'UnreachableError not_ours'],
  'no UTF-8': [
    (response) => response.writeHead(200, JSON_TYPE).end(Buffer.from(SECRET, 'utf16le')),
    'UnreachableError not_ours',
  ],
  'another content type': [
    (response) => response.writeHead(200, { 'content-type': 'text/html' }).end(SECRET),
    'UnreachableError not_ours',
  ],
  'no content type': [
    (response) => response.writeHead(200).end(SECRET),
    'UnreachableError not_ours',
  ],
  'a compressed body': [
    (response) => response.writeHead(200, { ...JSON_TYPE, 'content-encoding': 'gzip' }).end(SECRET),
    'UnreachableError not_ours',
  ],
  'a sealed body': [
    (response) => response.writeHead(200, { 'content-type': 'application/jose' }).end('a..b.c.d'),
    'SealedAnswerError None',
  ],
  'a problem without a code': [problem(403, { code: 7 }), 'UnreachableError not_ours'],
  'a problem with a token in it': [
    problem(403, { code: 'ERR_DENIED', detail: `\u001B[2J${SESSION_TOKEN}` }),
    'ApiError ERR_DENIED',
  ],
  'a page instead of a problem': [
    (response) => response.writeHead(404, { 'content-type': 'text/html' }).end(CANARY),
    'UnreachableError not_ours',
  ],
  'a body that is cut off': [
    raw(`HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: 999\n\n${SECRET}`),
    'UnreachableError cut_off',
  ],
  'a chunk that is cut off': [
    raw(
      `HTTP/1.1 200 OK\nContent-Type: application/json\nTransfer-Encoding: chunked\n\nfff\n${SECRET}`,
    ),
    'UnreachableError cut_off',
  ],
  'no HTTP': [raw(`${CANARY}\n\n`), 'UnreachableError not_ours'],
  'an endless head': [
    raw(`HTTP/1.1 200 OK\n${`X-${CANARY}: 1\n`.repeat(200)}\n`),
    'UnreachableError not_ours',
  ],
  'a long line in its head': [
    raw(`HTTP/1.1 200 OK\nX: ${'x'.repeat(100_000)}\n\n`),
    'UnreachableError not_ours',
  ],
  nothing: [() => undefined, 'UnreachableError timeout'],
  'a head that drips': [drip(`HTTP/1.1 200 OK\nX: ${CANARY}`), 'UnreachableError timeout'],
  'a body that drips': [
    drip('HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: 999\n\n'),
    'UnreachableError timeout',
  ],
};

describeWithProgram('python3', 'the client for Python, with a hostile server', (python) => {
  let client: PythonClient;
  let directory: string;
  let environment: Readonly<Record<string, string>>;
  let server: Server;
  let answer: Answer;
  let requests: IncomingMessage[];

  beforeAll(async () => {
    client = await PythonClient.build(python);
    directory = await mkdtemp(join(tmpdir(), 'qm-hostile-'));
    await writeFile(join(directory, 'token'), POD_TOKEN);
    server = createServer((request, response) => {
      requests.push(request);
      if (request.url === '/api/v1/sessions') {
        response.writeHead(201, JSON_TYPE).end(openedSession());
      } else if (request.method === 'DELETE') response.writeHead(204).end();
      else answer(response, request.socket);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    environment = {
      URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      TOKEN_FILE: join(directory, 'token'),
      TRACE: 'yes',
    };
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await rm(directory, { recursive: true });
    await client.remove();
  });

  function openedSession(): string {
    const [createdAt, endsAt] = [0, 3_600_000].map((ms) => new Date(Date.now() + ms).toISOString());
    const workload = { id: 'k8s://c1/prod/api', cluster: 'c1' };
    const session = { id: 'ses_1', workload, createdAt, endsAt };
    return JSON.stringify({ token: SESSION_TOKEN, session, eventId: '1' });
  }

  async function reading(to: Answer, program: string): Promise<readonly string[]> {
    answer = to;
    requests = [];
    const lines = await client.run(program, environment);
    for (const secret of [CANARY, POD_TOKEN, SESSION_TOKEN]) {
      expect(findCanary(secret, { output: lines.join('\n') })).toEqual([]);
    }
    return lines;
  }

  const READ = `
http.client.HTTPConnection.debuglevel = 1
with session(timeout=5, deadline=5) as s:
    try:
        s.read("own/db")
        say("accepted")
    except QuaymasterError as error:
        failure(error)
`;

  it.each(Object.keys(ANSWERS))(
    'refuses an answer with %s, and shows nothing of it',
    async (what) => {
      const [to, error] = ANSWERS[what] ?? [inJson(''), ''];
      // What never comes needs a short limit, and a slow machine needs seconds for the rest.
      const seconds = error.endsWith('timeout') ? '0.9' : what === 'over 32 MiB' ? '60' : '5';
      const program = READ.replaceAll('=5', `=${seconds}`);
      expect((await reading(to, program))[0]).toBe(error);
    },
  );

  it('accepts the same answer if it is right', async () => {
    expect(await reading(inJson(SECRET), READ)).toEqual(['accepted']);
  });

  it('follows no redirect, so that no token reaches another place', async () => {
    const other = createServer((_request, response) => response.end()).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const reached: unknown[] = [];
    other.on('request', (request) => reached.push(request));
    const location = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`;
    for (const status of [301, 302, 307, 308]) {
      const lines = await reading(
        (response) => response.writeHead(status, { location }).end(),
        READ,
      );
      expect(lines[0]).toBe('UnreachableError not_ours');
    }
    other.close();
    expect(reached).toEqual([]);
  });

  it('retries what may pass, after Retry-After, and nothing else', async () => {
    const reads = (): number =>
      requests.filter(({ url }) => url === '/api/v1/secrets/own/db').length;
    const inTurn = (...answers: readonly Answer[]): Answer => {
      let count = 0;
      return (response, socket) => answers[count++]?.(response, socket);
    };
    const begun = performance.now();
    const busy = problem(503, {}, { 'retry-after': '1' });
    expect(await reading(inTurn(busy, raw(''), inJson(SECRET)), READ)).toEqual(['accepted']);
    expect(reads()).toBe(3);
    expect(performance.now() - begun).toBeGreaterThan(1_000);

    const limited = problem(429, { code: 'ERR_RATE_LIMITED' }, { 'retry-after': '3600' });
    expect((await reading(limited, READ))[0]).toBe('ApiError ERR_RATE_LIMITED');
    expect(reads()).toBe(1);

    for (const code of ['ERR_DENIED', 'ERR_HELD', 'ERR_PROVIDER_DENIED']) {
      const status = code === 'ERR_DENIED' ? 403 : 503;
      expect((await reading(problem(status, { code }), READ))[0]).toBe(`ApiError ${code}`);
      expect(reads()).toBe(1);
    }
  });

  it('logs in once more when the session is gone, and not a third time', async () => {
    const gone = problem(401, { code: 'ERR_UNAUTHENTICATED' });
    expect((await reading(gone, READ))[0]).toBe('ApiError ERR_UNAUTHENTICATED');
    expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'POST /api/v1/sessions',
      'GET /api/v1/secrets/own/db',
      'POST /api/v1/sessions',
      'GET /api/v1/secrets/own/db',
      'DELETE /api/v1/sessions/self',
    ]);
  });

  it('sends a version percent-encoded, the path as it is, and the token in its header only', async () => {
    const program = READ.replace('"own/db"', '"own/db", version="a b/c&d?é"');
    expect(await reading(inJson(SECRET), program)).toEqual(['accepted']);
    const [login, read] = requests;
    expect(read?.url).toBe('/api/v1/secrets/own/db?version=a%20b%2Fc%26d%3F%C3%A9');
    expect(read?.headers.authorization).toBe(`Bearer ${SESSION_TOKEN}`);
    expect(login?.headers.authorization).toBeUndefined();
    expect(read?.headers['accept-encoding']).toBe('identity');
  });

  it('needs one retry after the server closed all kept connections', async () => {
    const program = `
import threading
from quaymaster import _client
pauses = []
_client.Backoff.next = lambda self, retry_after: pauses.append(retry_after) or 0.0
with session() as s:
    barrier = threading.Barrier(6)
    def read():
        barrier.wait()
        s.read("own/db")
    threads = [threading.Thread(target=read) for _ in range(6)]
    for each in threads: each.start()
    for each in threads: each.join()
    ask("close")
    s.read("own/db")
say(len(pauses))
`;
    answer = (response) =>
      void setTimeout(() => response.writeHead(200, JSON_TYPE).end(SECRET), 300);
    requests = [];
    const lines = await client.run(program, environment, () => {
      server.closeIdleConnections();
      return Promise.resolve();
    });
    expect(lines).toEqual(['close', '1']);
  });

  it('resumes an event stream after the last event, and reads only what it follows', async () => {
    const streams = ['id: 7\nevent: ready\ndata: {}\n\nid: 8\nevent: secret.changed\n'];
    streams.push(`data: {"path": "own/other"}\n\nid: 9\nevent: leases.changed\ndata: {}\n\n`);
    const resumed: unknown[] = [];
    let version = 0;
    const to: Answer = (response) => {
      const request = requests.at(-1);
      if (request?.url !== '/api/v1/events') {
        version += request?.method === 'GET' ? 1 : 0;
        inJson(SECRET.replace('"1"', `"${version}"`))(response, request!.socket);
        return;
      }
      resumed.push(request.headers['last-event-id']);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      // The first stream breaks off within an event, the second has an event that is too long.
      if (resumed.length === 1) response.write(streams.join('').slice(0, 60));
      if (resumed.length === 2) response.write(`data: ${'x'.repeat(100_000)}`);
      if (resumed.length === 3) response.write(streams.join(''));
      if (resumed.length < 3) setTimeout(() => response.destroy(), 50);
    };
    const program = `
with session() as s:
    for secret in s.follow(["own/db"]):
        say(secret.version)
        if secret.version == "2": break
`;
    expect(await reading(to, program)).toEqual(['1', '2']);
    expect(resumed).toEqual(['1', '7', '7']);
    expect(requests.map(({ url }) => url)).not.toContain('/api/v1/secrets/own/other');
  });

  it('refuses a session that is bound to a key', async () => {
    const bound = createServer((_request, response) => {
      const text = openedSession().replace('"id":"ses_1"', '"id":"ses_1","keyThumbprint":"x"');
      response.writeHead(201, JSON_TYPE).end(text);
    }).listen(0, '127.0.0.1');
    await once(bound, 'listening');
    const url = `http://127.0.0.1:${(bound.address() as AddressInfo).port}`;
    const program = `
try:
    session("${url}").read("own/db")
except SealedAnswerError as error:
    failure(error)
`;
    expect((await reading(inJson(''), program))[0]).toBe('SealedAnswerError None');
    bound.closeAllConnections();
    bound.close();
  });

  it('refuses plain text to another machine, and an invalid token, before it sends anything', async () => {
    await writeFile(join(directory, 'empty'), '\n');
    await writeFile(join(directory, 'two-lines'), `${POD_TOKEN}\n${POD_TOKEN}\n`);
    const program = `
def attempt(*words, **more):
    try:
        session(*words, **more).read("own/db")
    except (QuaymasterError, OSError) as error:
        failure(error)
attempt("http://broker.example")
attempt("http://127.0.0.1.example")
attempt(ca_file="ca.pem")
attempt(token=lambda: "x")
for name in ("empty", "two-lines", "absent"):
    attempt(token_file="${directory}/" + name)
`;
    const lines = await reading(inJson(SECRET), program);
    expect(lines.filter((line) => /^\w+ None$/.test(line))).toEqual([
      ...Array.from({ length: 6 }, () => 'InputError None'),
      'FileNotFoundError None',
    ]);
    expect(requests).toEqual([]);
  });
});
