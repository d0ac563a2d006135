import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { contextOf, failureOf } from '../../../contract/secret-provider.contract.ts';
import { turnOf, wholeText } from '../../../contract/rotation-target.contract.ts';
import { drip, drop, flood, gzipBomb, redirect, stall } from '../../../kit/fakes/server-faults.ts';
import { LyingReceiver, say, type Lie } from '../../../kit/fakes/lying-receiver.ts';

const receiver = new LyingReceiver();
beforeEach(() => receiver.start());
afterEach(async () => {
  receiver.heard.length = 0;
  await receiver.stop();
});

const CURRENT = { password: 'current-canary-81c2', note: 'kept' };
const PENDING = { password: 'pending-canary-5f0b', note: 'kept' };
const DONE = { version: 1, outcome: 'done' };
const status =
  (code: number): Lie =>
  (_heard, response: ServerResponse) =>
    void response.writeHead(code, { 'content-type': 'application/json' }).end('{}');
const fault =
  (what: (request: never, response: never) => void): Lie =>
  (_heard, response, request) =>
    what(request as never, response as never);

describe('a receiver with false answers', () => {
  it.each<readonly [string, Lie, object]>([
    ['garbage', say('<html>'), { code: 'ERR_PROVIDER_MALFORMED', reason: 'not_json' }],
    ['nothing', say(''), { code: 'ERR_PROVIDER_MALFORMED', reason: 'not_json' }],
    ['another type', say('"done"'), { code: 'ERR_PROVIDER_MALFORMED', reason: 'answer' }],
    ['another version', say({ ...DONE, version: 2 }), { reason: 'answer' }],
    ['a version as text', say({ ...DONE, version: '1' }), { reason: 'answer' }],
    ['another outcome', say({ version: 1, outcome: 'accepted' }), { reason: 'answer' }],
    ['more than was asked', say({ ...DONE, pending: {} }), { reason: 'answer' }],
    [
      'a password as its reason',
      say({ version: 1, outcome: 'failed', reason: PENDING.password }),
      { reason: 'answer' },
    ],
    [
      'no signature',
      say(DONE, { headers: { 'quaymaster-signature': '' } }),
      { code: 'ERR_PROVIDER_MALFORMED', reason: 'signature' },
    ],
    ['the signature of another key', say(DONE, { key: 'x'.repeat(40) }), { reason: 'signature' }],
    ['the answer to another delivery', say(DONE, { id: 'dlv_old' }), { reason: 'signature' }],
    [
      'HTML by its name',
      say(DONE, { headers: { 'content-type': 'text/html' } }),
      { reason: 'content_type' },
    ],
    [
      'JSON in UTF-16',
      say(DONE, { headers: { 'content-type': 'application/json; charset=utf-16' } }),
      { reason: 'content_type' },
    ],
    [
      '64 KiB and more',
      say({ ...DONE, padding: 'x'.repeat(65_536) }),
      { reason: 'body_too_large' },
    ],
    ['an endless body', fault(flood), { reason: 'body_too_large' }],
    ['a bomb', fault(gzipBomb), { reason: 'content_encoding' }],
    [
      'a redirect',
      fault(redirect('/elsewhere')),
      { code: 'ERR_PROVIDER_FAILED', reason: 'redirect' },
    ],
    ['a permanent redirect', status(308), { reason: 'redirect' }],
    ['success of another kind', status(202), { code: 'ERR_PROVIDER_FAILED' }],
    ['no content', status(204), { code: 'ERR_PROVIDER_FAILED' }],
    ['that it does not know the broker', status(401), { code: 'ERR_PROVIDER_DENIED' }],
    ['that nothing exists', status(404), { code: 'ERR_PROVIDER_FAILED', reason: 'refused' }],
    [
      'that it is overloaded',
      status(429),
      { code: 'ERR_PROVIDER_UNAVAILABLE', reason: 'throttled' },
    ],
    ['that it failed', status(500), { code: 'ERR_PROVIDER_FAILED', reason: 'status' }],
    ['that it is unavailable', status(503), { code: 'ERR_PROVIDER_UNAVAILABLE' }],
    ['nothing, and closes the connection', fault(drop), { code: 'ERR_PROVIDER_UNAVAILABLE' }],
    [
      'that it could not',
      say({ version: 1, outcome: 'failed', reason: 'locked' }),
      { code: 'ERR_PROVIDER_FAILED', reason: 'locked' },
    ],
    [
      'that it must not',
      say({ version: 1, outcome: 'conflict', reason: 'in_use' }),
      { code: 'ERR_CONFLICT', reason: 'in_use' },
    ],
  ])('is distinguished from a working one when it answers %s', async (_what, lie, expected) => {
    receiver.lie = lie;
    const error = await failureOf(receiver.target().set(turnOf(CURRENT), PENDING));
    expect(error).toMatchObject(expected);
    expect(wholeText(error)).not.toMatch(/canary/);
    expect(receiver.heard).toHaveLength(1);
  });

  it.each([
    ['stays silent', stall],
    ['answers byte by byte', drip],
  ])('is distinguished at the deadline when it %s', async (_what, what) => {
    receiver.lie = fault(what);
    const target = receiver.target({}, { limits: { maxRetries: 0, timeoutMs: 100 } });
    const error = await failureOf(target.set(turnOf(CURRENT), PENDING));
    expect(error.code).toBe('ERR_PROVIDER_TIMEOUT');
  });
});

describe('a test at a receiver', () => {
  it('refuses a receiver that accepts everything', async () => {
    receiver.lie = say({ version: 1, outcome: 'accepted' });
    const verdict = await receiver.target().test(PENDING, contextOf());
    expect(verdict).toEqual({ accepted: false, reason: 'accepts_anything' });
    const [{ message } = { message: {} }] = receiver.heard;
    expect(message).toMatchObject({ step: 'test', value: { note: 'kept' } });
    expect(message).not.toMatchObject({ value: PENDING });
  });

  it('detects that nothing was set', async () => {
    receiver.lie = (heard, ...rest) => {
      const isTest = heard.message['step'] === 'test';
      say(isTest ? { version: 1, outcome: 'refused', reason: 'login_refused' } : DONE)(
        heard,
        ...rest,
      );
    };
    const target = receiver.target();
    await target.set(turnOf(CURRENT), PENDING);
    const verdict = await target.test(PENDING, contextOf());
    expect(verdict).toEqual({ accepted: false, reason: 'login_refused' });
  });

  it('does not take "done" as a verdict', async () => {
    receiver.lie = say(DONE);
    const error = await failureOf(receiver.target().test(PENDING, contextOf()));
    expect(error).toMatchObject({ code: 'ERR_PROVIDER_MALFORMED', reason: 'answer' });
  });

  it('refuses a value without its credential without a request', async () => {
    const verdict = await receiver.target().test({ note: 'kept' }, contextOf());
    expect(verdict).toEqual({ accepted: false, reason: 'value_incomplete' });
    expect(receiver.heard).toEqual([]);
  });
});

describe('a value that the receiver creates', () => {
  it.each<readonly [string, unknown, string]>([
    ['the old one', { password: CURRENT.password }, 'not_new'],
    ['nothing', {}, 'answer'],
    ['another key', { token: 'x' }, 'answer'],
    ['one key too many', { password: 'new', note: 'replaced' }, 'answer'],
    ['a number', { password: 5 }, 'answer'],
    ['invalid Unicode', { password: '\ud800' }, 'answer'],
    ['invalid bytes', { password: { base64: 'A' } }, 'answer'],
  ])('is refused if it is %s', async (_what, pending, reason) => {
    receiver.lie = say({ ...DONE, pending });
    const target = receiver.target({ makes: ['password'] });
    const error = await failureOf(target.create(turnOf(CURRENT)));
    expect(error).toMatchObject({ code: 'ERR_PROVIDER_MALFORMED', reason });
  });

  it('is stored beside the keys that are not its own', async () => {
    receiver.lie = say({ ...DONE, pending: { password: 'new' } });
    const made = await receiver.target({ makes: ['password'] }).create(turnOf(CURRENT));
    expect(made).toEqual({ password: 'new', note: 'kept' });
  });
});

describe('the request to the receiver', () => {
  it('contains the step with its values, and is never the same twice', async () => {
    receiver.lie = say(DONE);
    const target = receiver.target({ data: { realm: 'internal' } });
    const turn = turnOf(CURRENT, { rotationId: 'rot_1' });
    await target.set(turn, PENDING);
    await target.set(turn, PENDING);
    await target.retire(turnOf(PENDING, { rotationId: 'rot_1' }), CURRENT);
    await target.discard(turn, PENDING);
    const [set, again, retire, discard] = receiver.heard;
    const common = {
      version: 1,
      rotation: 'rot_1',
      target: 'accounts/app',
      slots: 'two',
      data: { realm: 'internal' },
    };
    expect(set!.message).toEqual({
      ...common,
      delivery: set!.id,
      step: 'set',
      current: CURRENT,
      pending: PENDING,
    });
    expect(again!.message).toEqual({ ...set!.message, delivery: again!.id });
    expect(again!.id).not.toBe(set!.id);
    expect(retire!.message).toMatchObject({ step: 'retire', current: PENDING, previous: CURRENT });
    expect(discard!.message).toMatchObject({ step: 'discard', current: CURRENT, pending: PENDING });
  });

  it('is not sent for retire if set has ended the old value', async () => {
    await receiver.target({ slots: 'one' }).retire(turnOf(PENDING), CURRENT);
    expect(receiver.heard).toEqual([]);
  });

  it('is not sent without a signing key', async () => {
    for (const text of ['', 'short', 'a'.repeat(40), `a key of the tests, 0123456789\n\nabcdef`]) {
      await writeFile(receiver.keyFile, text);
      const error = await failureOf(receiver.target().set(turnOf(CURRENT), PENDING));
      expect(error).toMatchObject({ code: 'ERR_PROVIDER_UNAVAILABLE', reason: 'credential_file' });
    }
    expect(receiver.heard).toEqual([]);
  });
});

describe('the address of a webhook (R07)', () => {
  const named = (addresses: readonly string[], connection: object = {}) => {
    const asked: string[] = [];
    const target = receiver.target(
      {},
      {
        url: 'https://hook.example/rotations',
        tls: {},
        allowPrivateAddresses: false,
        ...connection,
      },
      (host) => {
        asked.push(host);
        return Promise.resolve(
          addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
        );
      },
    );
    return { target, asked };
  };

  it.each([
    ['the metadata service', ['169.254.169.254']],
    ['loopback', ['127.0.0.1']],
    ['loopback, mapped', ['::ffff:127.0.0.1']],
    ['a private network', ['10.1.2.3']],
    ['one good and one bad address', ['93.184.215.14', '127.0.0.1']],
  ])('is not %s, whatever its name', async (_what, addresses) => {
    const { target, asked } = named(addresses);
    const error = await failureOf(target.set(turnOf(CURRENT), PENDING));
    expect(error).toMatchObject({ code: 'ERR_CONFLICT', reason: 'address_refused' });
    expect(asked).toEqual(['hook.example']);
  });

  it.each([
    'https://169.254.169.254/latest',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:a9fe:a9fe]/',
    'https://2130706433/',
    'https://0177.0.0.1/',
    'https://0x7f.1/',
    'https://127.1/',
    'https://[::1]/',
    'https://0/',
  ])('is not %s, and no name server is queried for it', async (url) => {
    const { target, asked } = named(['93.184.215.14'], { url });
    const error = await failureOf(target.set(turnOf(CURRENT), PENDING));
    expect(error).toMatchObject({ code: 'ERR_CONFLICT', reason: 'address_refused' });
    expect(asked).toEqual([]);
  });

  it('is not the metadata service even if private addresses are allowed', async () => {
    const { target } = named(['169.254.169.254'], { allowPrivateAddresses: true });
    const error = await failureOf(target.set(turnOf(CURRENT), PENDING));
    expect(error).toMatchObject({ code: 'ERR_CONFLICT', reason: 'address_refused' });
  });

  it('is the verified address: the name is not resolved a second time', async () => {
    receiver.lie = say(DONE);
    let asked = 0;
    const target = receiver.target({}, { url: `http://localhost:${receiver.port}/` }, () => {
      asked += 1;
      return Promise.resolve([
        { address: asked === 1 ? '127.0.0.1' : '169.254.169.254', family: 4 },
      ]);
    });
    await target.set(turnOf(CURRENT), PENDING);
    expect([asked, receiver.heard.length]).toEqual([1, 1]);
    const error = await failureOf(target.set(turnOf(CURRENT), PENDING));
    expect(error).toMatchObject({ code: 'ERR_CONFLICT', reason: 'address_refused' });
    expect(receiver.heard).toHaveLength(1);
  });

  it('is not one that the system resolver would have returned', async () => {
    receiver.lie = say(DONE);
    const url = `http://localhost:${receiver.port}/`;
    const target = receiver.target({}, { url }, () =>
      Promise.resolve([{ address: '127.0.0.2', family: 4 }]),
    );
    const error = await failureOf(target.set(turnOf(CURRENT), PENDING));
    expect(error.code).toBe('ERR_PROVIDER_UNAVAILABLE');
    expect(receiver.heard).toEqual([]);
  });

  it('is refused when its name has no address', async () => {
    const { target } = named([]);
    const error = await failureOf(target.set(turnOf(CURRENT), PENDING));
    expect(error).toMatchObject({ code: 'ERR_PROVIDER_UNAVAILABLE', reason: 'no_address' });
  });
});

describe('an invalid connection or definition', () => {
  it.each([
    ['http to elsewhere', { url: 'http://hook.example/', tls: 'off' }],
    ['http to loopback without a setting', { tls: {} }],
    ['https without TLS', { url: 'https://hook.example/', tls: 'off' }],
    ['a password in the address', { url: 'https://u:p@hook.example/', tls: {} }],
    ['another protocol', { url: 'file:///etc/passwd', tls: 'off' }],
    ['no address', { url: 'hook', tls: {} }],
  ])('has %s', (_what, connection) => {
    expect(() => receiver.target({}, connection)).toThrow(/url/);
  });

  it.each([
    ['/target', { target: 'accounts/../admin' }],
    ['/target', { target: 'accounts//app' }],
    ['/target', { target: 'accounts/a%2fb' }],
    ['/target', { target: 'accounts/%61pp' }],
    ['/target', { target: 'accounts/*' }],
    ['/target', { target: 'accounts/a%00' }],
    ['/target', { target: 'accounts/a?b' }],
    ['/slots', { slots: 'three' }],
    ['/drillable', { slots: 'one', drillable: true }],
    ['/makes', { makes: ['token'], password: {} }],
    ['/password/length', { password: { length: 1 } }],
    ['/url', { url: 'https://elsewhere.example' }],
  ])('has a problem at %j in %j', (pointer, options) => {
    expect(() => receiver.target(options)).toThrow(
      expect.objectContaining({
        code: 'ERR_BODY_INVALID',
        problems: expect.arrayContaining([expect.objectContaining({ pointer })]),
      }),
    );
  });
});
