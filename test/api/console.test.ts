import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CspEvaluator } from 'csp_evaluator/dist/evaluator.js';
import { CspParser } from 'csp_evaluator/dist/parser.js';
import { ACCESS, type OperationId } from '../../src/api/contract/access.ts';
import { CONTENT_SECURITY_POLICY } from '../../src/api/console/page-headers.ts';
import { ROLES } from '../../src/domain/identity/principal.ts';
import { systemClock } from '../../src/process/clock.ts';
import { OneTimeCode } from '../../src/program/dev/one-time-code.ts';
import { smallConsole } from '../kit/console/console-files.ts';
import { ALICE, PeopleApi } from '../kit/identity/people-api.ts';
import { textOf } from '../kit/pages/tracked-files.ts';
import { HandClock } from '../kit/time/hand-clock.ts';

interface Sent {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly cookies: readonly string[];
  readonly text: string;
}

interface Sending {
  readonly headers?: Readonly<Record<string, string>>;
  readonly cookie?: string;
  readonly body?: unknown;
}

let people: PeopleApi;
let clock: HandClock;
let code: OneTimeCode;
let url = '';

/** Sends exactly these headers: a browser's own checks are not part of these tests. */
function send(
  method: string,
  path: string,
  { headers = {}, cookie, body }: Sending = {},
): Promise<Sent> {
  const all = {
    Host: new URL(url).host,
    ...(body !== undefined && { 'Content-Type': 'application/json' }),
    ...(cookie !== undefined && { Cookie: cookie }),
    ...headers,
  };
  return new Promise((resolve, reject) => {
    const sent = request(`${url}${path}`, { method, headers: all, setHost: false }, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
      answer.on('end', () => {
        const cookies = answer.headers['set-cookie'] ?? [];
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, cookies, text });
      });
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** The headers that a script of the page sends. */
function own(more: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  return {
    'Sec-Fetch-Site': 'same-origin',
    Origin: url,
    'X-Quaymaster-Console': '0123abcd',
    ...more,
  };
}

const pairOf = (cookies: readonly string[], name: string): string =>
  cookies.map((each) => each.split(';')[0] ?? '').find((each) => each.startsWith(name)) ?? '';
const port = (): string => new URL(url).port;

async function signIn(token: string): Promise<string> {
  const { status, cookies } = await send('POST', '/console/session', {
    headers: own(),
    body: { token },
  });
  expect(status).toBe(204);
  return pairOf(cookies, `session-${port()}`);
}

const whoAmI = (cookie: string, headers = own()): Promise<Sent> =>
  send('GET', '/console/call/api/v1/operator-tokens/self', { cookie, headers });

beforeAll(async () => {
  // The issuer signs with the clock of the system.
  clock = new HandClock(Date.now());
  code = new OneTimeCode(systemClock);
  const files = await smallConsole();
  const console = { files, origin: undefined, scheme: 'http', code };
  people = await PeopleApi.start(clock, {}, {}, { console });
  people.corp.user = ALICE;
  url = people.api.url;
});

afterAll(() => people.stop());

describe('the page of the console', () => {
  it('is served without a cookie, under its whole policy, and is not cached', async () => {
    const { status, headers, cookies } = await send('GET', '/console/secrets/app/db');
    expect([status, cookies]).toEqual([200, []]);
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'content-security-policy': CONTENT_SECURITY_POLICY,
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    });
  });

  it('has a policy in which an evaluator finds only its own origin, which serves no file of a user', () => {
    const { csp } = new CspParser(CONTENT_SECURITY_POLICY);
    const found = new CspEvaluator(csp).evaluate();
    expect(found.map(({ directive, value }) => [directive, value])).toEqual([
      ['script-src', "'self'"],
    ]);
  });

  it('serves each file for ever, compressed at build, and no other path of the disk', async () => {
    const path = '/console/assets/main-X.js';
    const br = await send('GET', path, { headers: { 'Accept-Encoding': 'gzip, br' } });
    expect(br.text).toBe('bytes of main-X.js.br');
    expect(br.headers).toMatchObject({
      'cache-control': 'public, max-age=31536000, immutable',
      'content-encoding': 'br',
      vary: 'Accept-Encoding',
    });
    expect((await send('GET', path)).text).toBe('bytes of main-X.js');
    for (const other of [
      'main-Y.js',
      '../../package.json',
      '..%2f..%2fpackage.json',
      'main-X.js.br',
    ])
      expect((await send('GET', `/console/assets/${other}`)).status).toBeGreaterThanOrEqual(400);
  });

  it('leads from /console to its first view, and accepts no other method', async () => {
    expect((await send('GET', '/console')).headers['location']).toBe('/console/');
    expect((await send('PUT', '/console/secrets/')).status).toBe(405);
  });

  it('answers to no other name than its own (CO02)', async () => {
    for (const host of [
      'evil.test',
      `evil.test:${port()}`,
      '127.0.0.1.evil.test',
      'localhost.evil.test:1',
    ])
      expect((await send('GET', '/console/', { headers: { Host: host } })).status).toBe(403);
    const cookie = await signIn(people.api.admin);
    const rebound = own({ Host: `evil.test:${port()}`, Origin: `http://evil.test:${port()}` });
    expect((await whoAmI(cookie, rebound)).status).toBe(403);
    expect(
      (await send('GET', '/console/', { headers: { Host: `localhost:${port()}` } })).status,
    ).toBe(200);
  });
});

describe('the client of the page', () => {
  it('calls operations of the access table, with their methods, paths and roles', () => {
    const source = textOf('console/src/client.ts');
    const rows = [...source.matchAll(/^ {2}(\w+): '([A-Z]+) (\/\S+?)((?: [a-z-]+)*)',$/gm)];
    expect(rows.length).toBeGreaterThan(20);
    for (const [, id = '', method, path, roles = ''] of rows) {
      const operation = ACCESS.get(id as OperationId);
      expect([id, operation]).toEqual([id, expect.objectContaining({ method, path })]);
      const isOfButton = method !== 'GET' || id === 'readSecret';
      const needed = operation?.roles.length === ROLES.length ? [] : (operation?.roles ?? []);
      expect([id, roles.trim()]).toEqual([id, isOfButton ? needed.join(' ') : '']);
    }
  });
});

describe('a session of the console', () => {
  it('is an operator token in a cookie that no script and no other site can use', async () => {
    const { cookies } = await send('POST', '/console/session', {
      headers: own(),
      body: { token: people.api.admin },
    });
    expect(cookies).toEqual([expect.stringMatching(/; Path=\/; HttpOnly; SameSite=Strict$/)]);
    const cookie = pairOf(cookies, 'session');
    expect(cookie).not.toContain('qmo_');
    expect(JSON.parse((await whoAmI(cookie)).text)).toMatchObject({ operator: 'bootstrap' });
  });

  it('gives no token: the API itself reads no cookie, and does not accept the cookie as a bearer token (CO04)', async () => {
    const cookie = await signIn(people.api.admin);
    expect(
      (await send('GET', '/api/v1/operator-tokens/self', { cookie, headers: own() })).status,
    ).toBe(401);
    const [, value = ''] = cookie.split('=');
    const headers = { Authorization: `Bearer ${value}` };
    expect((await send('GET', '/api/v1/operator-tokens/self', { headers })).status).toBe(401);
    const both = own({ Authorization: `Bearer ${people.api.admin}` });
    expect((await whoAmI(cookie, both)).status).toBe(403);
  });

  it.each([
    ['another site', { 'Sec-Fetch-Site': 'cross-site' }],
    ['another host of the site', { 'Sec-Fetch-Site': 'same-site' }],
    ['a typed address', { 'Sec-Fetch-Site': 'none' }],
    ['another origin', { Origin: 'https://evil.test' }],
    ['an opaque origin', { Origin: 'null' }],
    ['another port', { Origin: 'http://127.0.0.1:1' }],
  ])('refuses writes and reads from %s (CO01)', async (_from, forged) => {
    const cookie = await signIn(people.api.admin);
    const body = { kind: 'workload', workload: 'k8s://c1/prod/api', reason: 'forged' };
    const path = '/console/call/api/v1/quarantines';
    const write = await send('POST', path, { cookie, body, headers: own(forged) });
    expect([write.status, JSON.parse(write.text).code]).toEqual([403, 'ERR_DENIED']);
    expect((await send('GET', path, { cookie, headers: own(forged) })).status).toBe(403);
    expect(
      (await send('DELETE', '/console/session', { cookie, headers: own(forged) })).status,
    ).toBe(403);
    const login = { headers: own(forged), body: { token: people.api.admin } };
    expect((await send('POST', '/console/session', login)).status).toBe(403);
  });

  it.each(['Sec-Fetch-Site', 'Origin', 'X-Quaymaster-Console'])(
    'refuses a write without the header %s (CO01)',
    async (missing) => {
      const cookie = await signIn(people.api.admin);
      const headers = Object.fromEntries(
        Object.entries(own()).filter(([name]) => name !== missing),
      );
      const body = { kind: 'workload', workload: 'k8s://c1/prod/api', reason: 'forged' };
      const sent = await send('POST', '/console/call/api/v1/quarantines', {
        cookie,
        body,
        headers,
      });
      expect(sent.status).toBe(403);
      const { body: listed } = await people.api.call('GET', '/api/v1/quarantines', {
        token: people.api.admin,
      });
      expect(listed).toEqual({ items: [] });
    },
  );

  it('takes none of two cookies of one name, and none that it did not make (CO03)', async () => {
    const cookie = await signIn(people.api.admin);
    const other = await signIn(await people.logIn());
    expect((await whoAmI(`${cookie}; ${other}`)).status).toBe(401);
    expect((await whoAmI(`${cookie.slice(0, -4)}AAAA`)).status).toBe(401);
    expect((await whoAmI(`session-${port()}=${people.api.admin}`)).status).toBe(401);
    expect((await whoAmI(cookie.replace('session', 'flow'))).status).toBe(401);
  });

  it('ends at once when its token is revoked', async () => {
    const token = await people.logIn();
    const cookie = await signIn(token);
    expect((await whoAmI(cookie)).status).toBe(200);
    const path = '/console/call/api/v1/logins/self';
    expect((await send('DELETE', path, { cookie, headers: own() })).status).toBe(200);
    expect((await whoAmI(cookie)).status).toBe(401);
  });

  it('clears what the browser keeps at its end', async () => {
    const { status, headers, cookies } = await send('DELETE', '/console/session', {
      headers: own(),
    });
    expect([status, headers['clear-site-data']]).toEqual([204, '"cache", "storage"']);
    expect(cookies).toEqual([
      expect.stringMatching(/^session-\d+=; .*Max-Age=0$/),
      expect.stringMatching(/^flow-\d+=; .*Max-Age=0$/),
    ]);
  });

  it('opens with the code of development mode, once', async () => {
    const opened = code.create(people.api.admin);
    const open = (text: string): Promise<Sent> =>
      send('POST', '/console/session', { headers: own(), body: { code: text } });
    expect((await open('guessed')).status).toBe(401);
    const first = await open(opened);
    expect(first.status).toBe(204);
    expect((await whoAmI(pairOf(first.cookies, 'session'))).status).toBe(200);
    expect((await open(opened)).status).toBe(401);
  });

  it('is opened by nothing but an operator token, and keeps no body beyond its limit', async () => {
    for (const body of [
      {},
      { token: 'x' },
      { token: people.api.admin, more: 1 },
      { token: 'q'.repeat(5_000) },
    ])
      expect(
        (await send('POST', '/console/session', { headers: own(), body })).status,
      ).toBeGreaterThanOrEqual(400);
  });
});

describe('a login at the issuer', () => {
  interface BegunFlow {
    readonly address: string;
    readonly flow: string;
  }

  async function begin(returnTo = '/console/secrets/?filter=db'): Promise<BegunFlow> {
    const body = { issuer: 'corp', returnTo };
    const { status, text, cookies } = await send('POST', '/console/login', {
      headers: own(),
      body,
    });
    expect([status, cookies.length]).toEqual([200, 1]);
    expect(cookies[0]).toMatch(/; HttpOnly; SameSite=Lax; Max-Age=600$/);
    return { address: (JSON.parse(text) as BegunFlow).address, flow: pairOf(cookies, 'flow') };
  }

  /** The return from the issuer, as the browser navigates: another site began it. */
  const comeBack = (target: string, cookie?: string): Promise<Sent> => {
    const { pathname, search } = new URL(target);
    const headers = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate' };
    return send('GET', pathname + search, { headers, ...(cookie !== undefined && { cookie }) });
  };

  it('opens a session of the person, returns to the view, and leaves the code in no address (CO11)', async () => {
    const { address, flow } = await begin();
    expect(new URL(address).searchParams.get('code_challenge_method')).toBe('S256');
    const { status, headers, cookies } = await comeBack(await people.corp.browse(address), flow);
    expect([status, headers['location']]).toEqual([303, '/console/secrets/?filter=db']);
    expect(headers['referrer-policy']).toBe('no-referrer');
    const session = pairOf(cookies, 'session');
    expect(JSON.parse((await whoAmI(session)).text)).toMatchObject({ operator: 'oidc:corp/alice' });
    expect(cookies).toContainEqual(expect.stringMatching(/^flow-\d+=; .*Max-Age=0$/));
  });

  it('does not log a person in with the login that another browser began (CO05)', async () => {
    const attacker = await begin();
    const answer = await people.corp.browse(attacker.address);
    const without = await comeBack(answer);
    expect(without.headers['location']).toBe('/console/?refused=ERR_TOKEN_INVALID');
    expect(pairOf(without.cookies, 'session')).toBe('');
    const victim = await begin();
    const mixed = await comeBack(answer, victim.flow);
    expect(mixed.headers['location']).toBe('/console/?refused=ERR_TOKEN_INVALID');
    expect(pairOf(mixed.cookies, 'session')).toBe('');
  });

  it('replaces the session that the browser had before (CO06)', async () => {
    const fixed = await signIn(people.api.admin);
    const { address, flow } = await begin();
    const { cookies } = await comeBack(await people.corp.browse(address), `${fixed}; ${flow}`);
    expect(pairOf(cookies, 'session')).not.toBe(fixed);
    expect(pairOf(cookies, 'session')).not.toBe('');
  });

  it('is finished once', async () => {
    const { address, flow } = await begin();
    const answer = await people.corp.browse(address);
    expect((await comeBack(answer, flow)).headers['location']).toBe('/console/secrets/?filter=db');
    expect((await comeBack(answer, flow)).headers['location']).toContain('refused');
  });

  it.each([
    'https://evil.test/',
    '//evil.test/',
    '/\\evil.test',
    '/console//evil.test',
    '/console/\\..\\evil',
    '/console/%2f%2fevil.test',
    '/console/x\r\nSet-Cookie: a=b',
    'javascript:alert(1)',
    '/api/v1/secrets/x',
  ])('returns to the first view instead of %p (CO07)', async (returnTo) => {
    const { address, flow } = await begin(returnTo);
    const { headers } = await comeBack(await people.corp.browse(address), flow);
    expect(headers['location']).toBe('/console/');
  });

  it('forgets a login that took too long', async () => {
    const { address, flow } = await begin();
    const answer = await people.corp.browse(address);
    clock.advance(11 * 60_000);
    expect((await comeBack(answer, flow)).headers['location']).toContain('refused');
  });
});

describe('the time of a session', () => {
  it('ends with the idle time, lasts while it is used, and never beyond eight hours', async () => {
    const token = people.api.admin;
    const idle = await signIn(token);
    clock.advance(31 * 60_000);
    expect((await whoAmI(idle)).status).toBe(401);
    let used = await signIn(token);
    let hours = 0;
    for (; hours < 12; hours += 0.4) {
      clock.advance(0.4 * 3_600_000);
      const { status, cookies } = await whoAmI(used);
      if (status !== 200) break;
      used = pairOf(cookies, 'session') || used;
    }
    expect(hours).toBeGreaterThan(7);
    expect(hours).toBeLessThan(8.5);
  });
});
