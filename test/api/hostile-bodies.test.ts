import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { RunningApi } from '../kit/api/running-api.ts';
import { rawHttp, rawRequest } from '../kit/network/raw-http.ts';

const MIB = 1024 * 1024;
const OPEN = { perSecond: 100_000, burst: 1_000_000 };

let api: RunningApi;
const sockets: Socket[] = [];
beforeEach(async () => {
  api = await RunningApi.start({ limits: { addressRate: OPEN, identityRate: OPEN } });
  await api.seed();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await api.stop();
});

/** A workload in a namespace that no policy names. */
const withoutRights = (): Promise<string> => api.logIn({ namespace: 'empty' });

interface Announced {
  readonly line: string;
  readonly token?: string;
  readonly bytes: number;
  /** The bytes that the client sends of the body. */
  readonly sent?: string;
}

function announced({ line, token, bytes, sent = '' }: Announced): Buffer {
  const headers = [
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
    'Content-Type: application/json',
    `Content-Length: ${bytes}`,
  ];
  return rawRequest(`${line} HTTP/1.1`, headers, sent);
}

/** The answer to a body that is announced and never sent. */
function answerTo(request: Announced): ReturnType<typeof rawHttp> {
  return rawHttp(api.port, announced(request), { end: false });
}

/** Leaves a request unfinished and ignores the answer. */
function leaveOpen(request: Announced): void {
  const socket = connect(api.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(announced(request));
  sockets.push(socket);
}

describe('the broker', () => {
  it.each([
    ['PUT /api/v1/secrets/app/x', 'secret.write', 'no_match'],
    ['POST /api/v1/credentials/app/x', 'credential.issue', 'no_match'],
    ['POST /api/v1/rotations/app/x:run', 'rotation.request', 'no_match'],
    ['POST /api/v1/rotations/app/x:abort', 'rotation.abort', 'no_match'],
  ])(
    'does not read the body of a workload without permission for %s (DI05)',
    async (line, action) => {
      const token = await withoutRights();
      const bytes = line.startsWith('PUT') ? 2 * MIB - 1 : 4_000;
      const entry = await expectDenied(api, {
        status: 403,
        code: 'ERR_DENIED',
        send: () => answerTo({ line, token, bytes, sent: '{' }),
      });
      expect(entry).toMatchObject({ action, path: 'app/x', actor: { namespace: 'empty' } });
    },
  );

  it('does not read the body of a workload whose policy denies the path, and the entry names the path', async () => {
    const token = await api.logIn();
    const entry = await expectDenied(api, {
      status: 403,
      code: 'ERR_DENIED',
      send: () => answerTo({ line: 'PUT /api/v1/secrets/other/x', token, bytes: MIB }),
    });
    expect(entry).toMatchObject({ action: 'secret.write', path: 'other/x' });
  });

  it.each([
    [
      'PUT /api/v1/policies/p',
      { action: 'document.write', document: { kind: 'policy', name: 'p' } },
    ],
    ['PUT /api/v1/mounts/m', { action: 'document.write', document: { kind: 'mount', name: 'm' } }],
    [
      'PUT /api/v1/definitions/app/x',
      { action: 'document.write', document: { kind: 'definition', name: 'app/x' } },
    ],
    [
      'POST /api/v1/operators/o/tokens',
      { action: 'operator-token.create', document: { kind: 'operator', name: 'o' } },
    ],
    ['POST /api/v1/rotations/app/x:run', { action: 'rotation.request', path: 'app/x' }],
    ['PUT /api/v1/secrets/app/x', { action: 'secret.write', path: 'app/x' }],
    ['POST /api/v1/policies:validate', { action: 'policy.validate' }],
    ['POST /api/v1/policies:explain', { action: 'policy.explain' }],
    ['POST /api/v1/leases:revoke', { action: 'lease.revoke' }],
    ['POST /api/v1/secrets:batch', { action: 'secret.read' }],
  ])('does not read the body of an operator without a role for %s (DI05)', async (line, facts) => {
    const token = await operatorWith([{ role: 'rotator', scope: ['nowhere'] }]);
    const entry = await expectDenied(api, {
      status: 403,
      code: 'ERR_DENIED',
      reason: 'no_role',
      send: () => answerTo({ line, token, bytes: 4_000, sent: '{' }),
    });
    expect(entry).toMatchObject({ ...facts, actor: { kind: 'operator' } });
  });

  it("does not read the body of a renewal of another caller's lease", async () => {
    const token = await api.logIn();
    const other = await api.logIn({ pod: { name: 'api-2', uid: 'pod-2' } });
    const id = await leaseOf(other);
    const entry = await expectDenied(api, {
      status: 404,
      code: 'ERR_NOT_FOUND',
      reason: 'not_own_lease',
      send: () =>
        answerTo({ line: `POST /api/v1/leases/${id}/renew`, token, bytes: 4_000, sent: '{' }),
    });
    expect(entry).toMatchObject({ action: 'lease.renew', lease: id });
  });

  it('does not read the body of a renewal of a lease whose path the policies no longer allow', async () => {
    const token = await api.logIn();
    const id = await leaseOf(token);
    const all = { token: api.admin, headers: { 'If-Match': '*' } };
    expect((await api.call('DELETE', '/api/v1/policies/app', all)).status).toBe(204);
    const entry = await expectDenied(api, {
      status: 403,
      code: 'ERR_DENIED',
      send: () =>
        answerTo({ line: `POST /api/v1/leases/${id}/renew`, token, bytes: 4_000, sent: '{' }),
    });
    expect(entry).toMatchObject({ action: 'lease.renew', lease: id });
  });

  it('does not read the body of a renewal of an expired session', async () => {
    const token = await api.logIn();
    await api.call('DELETE', '/api/v1/sessions/self', { token });
    await expectDenied(api, {
      status: 401,
      code: 'ERR_UNAUTHENTICATED',
      reason: 'unknown_session',
      send: () =>
        answerTo({ line: 'POST /api/v1/sessions/self/renew', token, bytes: 16_000, sent: '{' }),
    });
  });

  it('does not read the body of a denied client that waits for 100 Continue, and sends none (DI05)', async () => {
    const token = await withoutRights();
    const head = announced({ line: 'PUT /api/v1/secrets/app/x', token, bytes: MIB });
    const waiting = Buffer.from(
      head.toString('latin1').replace('\r\n\r\n', '\r\nExpect: 100-continue\r\n\r\n'),
    );
    expect((await rawHttp(api.port, waiting, { end: false }))?.status).toBe(403);
  });

  it('sends 100 Continue to an allowed client that waits for it before it reads the body', async () => {
    const token = await api.logIn();
    const body = '{"data":{"a":"b"}}';
    const head = announced({ line: 'PUT /api/v1/secrets/app/x', token, bytes: body.length });
    const socket = connect(api.port, '127.0.0.1');
    sockets.push(socket);
    let received = '';
    socket.on('data', (data) => {
      received += String(data);
      if (received.endsWith('100 Continue\r\n\r\n')) socket.write(body);
    });
    socket.write(head.toString('latin1').replace('\r\n\r\n', '\r\nExpect: 100-continue\r\n\r\n'));
    await until('it is written', () => Promise.resolve(received.includes('HTTP/1.1 200 OK')));
  });
});

describe('the memory for incoming bodies', () => {
  it('is limited to 16 MiB for each pod, and other pods still write (DI06, F57)', async () => {
    const token = await api.logIn();
    const other = await api.logIn({ pod: { name: 'api-2', uid: 'pod-2' } });
    const line = 'PUT /api/v1/secrets/app/x';
    for (let count = 0; count < 8; count += 1) leaveOpen({ line, token, bytes: 2 * MIB });
    const write = (as: string) =>
      api.call('PUT', '/api/v1/secrets/app/x', { token: as, body: { data: { a: 'b' } } });
    await until('its share is full', async () => (await write(token)).status === 429);
    await expectDenied(api, {
      status: 429,
      code: 'ERR_RATE_LIMITED',
      reason: 'bodies_waiting',
      send: () => write(token),
    });
    expect((await write(other)).status).toBe(200);
    for (const socket of sockets.splice(0)) socket.destroy();
    await until('it writes again', async () => (await write(token)).status === 200);
  });

  it('is limited to 1 MiB in all for a workload without rights, and 16 KiB for each body (DI06)', async () => {
    const token = await withoutRights();
    const line = 'POST /api/v1/secrets:batch';
    expect(await answerTo({ line, token, bytes: 16_385 })).toMatchObject({ status: 413 });
    for (let count = 0; count < 64; count += 1) leaveOpen({ line, token, bytes: 16_384 });
    const ask = () =>
      api.call('POST', '/api/v1/secrets:batch', { token, body: { items: [{ path: 'app/x' }] } });
    await until('its share is full', async () => (await ask()).status === 429);
  });

  it('is limited to 1 MiB for a network without a session, and sessions are not affected (DI06)', async () => {
    const token = await api.logIn();
    const line = 'POST /api/v1/sessions';
    for (let count = 0; count < 64; count += 1) leaveOpen({ line, bytes: 16_384 });
    const logIn = () =>
      api.call('POST', '/api/v1/sessions', {
        body: { cluster: 'c1', token: api.serviceAccountToken() },
      });
    await until('its share is full', async () => (await logIn()).status === 429);
    await expectDenied(api, {
      status: 429,
      code: 'ERR_RATE_LIMITED',
      reason: 'bodies_waiting',
      send: logIn,
    });
    const write = { token, body: { data: { a: 'b' } } };
    expect((await api.call('PUT', '/api/v1/secrets/app/x', write)).status).toBe(200);
  });

  it('counts the chunks of a body as they arrive', async () => {
    const token = await api.logIn();
    const headers = [
      `Authorization: Bearer ${token}`,
      'Content-Type: application/json',
      'Transfer-Encoding: chunked',
    ];
    const head = rawRequest('PUT /api/v1/secrets/app/x HTTP/1.1', headers);
    const chunk = `100000\r\n${' '.repeat(MIB)}\r\n`;
    for (let count = 0; count < 16; count += 1) {
      const socket = connect(api.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(head);
      socket.write(chunk);
      sockets.push(socket);
    }
    const write = () =>
      api.call('PUT', '/api/v1/secrets/app/x', { token, body: { data: { a: 'b' } } });
    await until('its share is full', async () => (await write()).status === 429);
  });
});

describe('the rate cost of a large body', () => {
  it('depends on its size (DI07)', async () => {
    await api.stop();
    const rate = { perSecond: 0.001, burst: 200 };
    api = await RunningApi.start({ limits: { identityRate: rate, maxValueBytes: MIB } });
    await api.seed();
    const token = await api.logIn();
    const sibling = await api.logIn({ pod: { name: 'api-2', uid: 'pod-2' } });
    const write = (as: string, length: number) => {
      const body = { data: { a: 'x'.repeat(length) } };
      return api.call('PUT', '/api/v1/secrets/app/x', { token: as, body });
    };
    // 5 for the write, 63 for a megabyte: two fit into 200, a third does not.
    const statuses = [];
    for (let count = 0; count < 3; count += 1) {
      statuses.push((await write(token, 1_040_000)).status);
    }
    expect(statuses).toEqual([200, 200, 429]);
    expect((await write(sibling, 10)).status).toBe(200);
  });

  it.each([
    ['a nest of a million', '['.repeat(1_000_000), 'too_deep'],
    ['a million values', `[${'1,'.repeat(900_000)}1]`, 'too_many_values'],
    ['two million blanks', ' '.repeat(2_000_000), 'too_much_space'],
    ['a number of a million digits', `{"data":${'1'.repeat(1_000_000)}}`, 'too_much_space'],
  ])('refuses a body with %s before it is parsed (DI07)', async (_what, body, reason) => {
    const token = await api.logIn();
    const headers = [
      `Authorization: Bearer ${token}`,
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
    ];
    await expectDenied(api, {
      status: 400,
      code: 'ERR_BODY_INVALID',
      reason,
      send: () =>
        rawHttp(api.port, rawRequest('PUT /api/v1/secrets/app/x HTTP/1.1', headers, body)),
    });
  });
});

/** The id of a lease on `app/x` of the session. */
async function leaseOf(token: string): Promise<string> {
  const write = { token, body: { data: { a: 'b' } } };
  expect((await api.call('PUT', '/api/v1/secrets/app/x', write)).status).toBe(200);
  const { body } = await api.call('GET', '/api/v1/secrets/app/x', { token });
  return (body['lease'] as { readonly id: string }).id;
}

async function operatorWith(grants: readonly object[]): Promise<string> {
  await api.put('operators/limited', { grants });
  const made = await api.call('POST', '/api/v1/operators/limited/tokens', {
    token: api.admin,
    body: { ttl: '1h' },
  });
  return made.body['token'] as string;
}
