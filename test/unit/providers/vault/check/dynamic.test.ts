import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DynamicCredentials } from '../../../../../src/ports/secret-provider.ts';
import { PreparedTokens } from '../../../../../src/providers/vault/credentials/credentials.ts';
import { Sensitive } from '../../../../../src/domain/secrets/sensitive.ts';
import { contextOf, failureOf } from '../../../../contract/secret-provider.contract.ts';
import { FakeVault } from '../../../../kit/fakes/fake-vault.ts';
import { HandClock } from '../../../../kit/time/hand-clock.ts';
import { VaultConnections } from '../../../../kit/providers/vault-connections.ts';

let vault: FakeVault;
let connections: VaultConnections;
let credentials: DynamicCredentials;

beforeEach(async () => {
  vault = await FakeVault.start();
  connections = await VaultConnections.create();
  const connection = await connections.connect(vault.address, 's.broker');
  const options = { engine: 'dynamic', path: 'db', root: 'creds', tokenRole: 'quaymaster' };
  credentials = connection.mount(options).credentials!;
});
afterEach(async () => {
  await connections.close();
  await vault.close();
});

const begin = (ref?: unknown, ttlSeconds = 300): string =>
  credentials.begin({
    intentId: 'int_1',
    locator: 'db/creds/app',
    workload: { cluster: 'c', namespace: 'n', serviceAccount: 's', serviceAccountUid: 'u' },
    ttlSeconds,
    ref,
  });
const issue = async (ref?: unknown) =>
  credentials.issue(await credentials.prepare(begin(ref), contextOf()), contextOf());
const childTokens = () => vault.tokens.size - 1;

describe('a dynamic credential of Vault', () => {
  it('belongs to a token that first lives for a minute, and then for the requested time', async () => {
    const prepared = await credentials.prepare(begin(), contextOf());
    expect(vault.requests.at(-1)).toMatchObject({
      target: '/v1/auth/token/create/quaymaster',
      token: 's.broker',
      body: { ttl: '60s', meta: { quaymaster_intent: 'int_1' } },
    });
    await credentials.issue(prepared, contextOf());
    const [extend, make] = vault.requests.slice(-2);
    expect(extend).toMatchObject({
      target: '/v1/auth/token/renew-accessor',
      body: { increment: 300 },
    });
    expect(make?.target).toBe('/v1/db/creds/app');
    expect(make?.token).not.toBe('s.broker');
  });

  it('passes the parameters of its definition as query or as body', async () => {
    await issue({ path: 'db/creds/app', data: { ns: 'a&b', dry: true } });
    expect(vault.requests.at(-1)).toMatchObject({
      method: 'GET',
      target: '/v1/db/creds/app?ns=a%26b&dry=true',
    });
    await issue({ path: 'db/creds/app', method: 'POST', data: { ns: 'a&b', n: 3 } });
    expect(vault.requests.at(-1)).toMatchObject({ method: 'POST', body: { ns: 'a&b', n: 3 } });
  });

  it.each([
    { lease_duration: 0 },
    { lease_duration: -1 },
    { lease_duration: 1e18 },
    { lease_duration: '1h' },
    { lease_duration: undefined },
    { lease_duration: 1.5 },
    { lease_id: '' },
    { lease_id: undefined },
    { renewable: 'yes' },
    { data: null },
    { data: {} },
  ])('is refused from an answer with %j, and can still be revoked', async (answer) => {
    vault.credentialAnswer = answer;
    const prepared = await credentials.prepare(begin(), contextOf());
    const error = await failureOf(credentials.issue(prepared, contextOf()));
    expect(error.code).toBe('ERR_PROVIDER_MALFORMED');
    await credentials.revoke(prepared, contextOf());
    expect([childTokens(), vault.leases.size]).toEqual([0, 0]);
  });

  it('never lives longer than its token', async () => {
    vault.credentialAnswer = { lease_duration: 9_007_199_254_740_991 };
    expect((await issue()).ttlSeconds).toBe(300);
  });

  it.each([
    ['lease', '/leases/renew', { lease_id: 'db/creds/app/1', lease_duration: 40 }],
    ['token', '/renew-accessor', { auth: { lease_duration: 40 } }],
  ])('is extended no further than its %s allows', async (_what, path, body) => {
    const issued = await issue();
    vault.fault = ({ target }) => (target.endsWith(path) ? { status: 200, body } : undefined);
    expect(await credentials.renew(issued.handle, 240, contextOf())).toBe(40);
  });

  it.each([0, -1, 1e18, '1h', null])('is not extended by a lease of %j', async (seconds) => {
    const issued = await issue();
    const body = { lease_id: 'x', lease_duration: seconds };
    vault.fault = ({ target }) =>
      target.endsWith('/leases/renew') ? { status: 200, body } : undefined;
    const error = await failureOf(credentials.renew(issued.handle, 240, contextOf()));
    expect(error.code).toBe('ERR_PROVIDER_MALFORMED');
  });

  it('does not use a token that is not an orphan, and revokes that one at once', async () => {
    vault.tokenRole = { orphan: false };
    const error = await failureOf(credentials.prepare(begin(), contextOf()));
    expect(error).toMatchObject({ code: 'ERR_PROVIDER_FAILED', reason: 'token_role' });
    expect(childTokens()).toBe(0);
  });

  it('does not use a token that never expires', async () => {
    vault.fault = ({ target }) =>
      target.includes('/create/')
        ? {
            status: 200,
            body: {
              auth: {
                client_token: 's.x',
                accessor: 'a',
                lease_duration: 0,
                orphan: true,
                renewable: true,
              },
            },
          }
        : undefined;
    const error = await failureOf(credentials.prepare(begin(), contextOf()));
    expect(error.reason).toBe('token_role');
    expect(vault.requests.at(-1)).toMatchObject({
      target: '/v1/auth/token/revoke-accessor',
      body: { accessor: 'a' },
    });
  });

  it('is requested once with one token', async () => {
    const prepared = await credentials.prepare(begin(), contextOf());
    await credentials.issue(prepared, contextOf());
    const again = await failureOf(credentials.issue(prepared, contextOf()));
    expect(again).toMatchObject({ code: 'ERR_PROVIDER_UNAVAILABLE', reason: 'token_lost' });
  });

  it("keeps the engine's text about its statements out of the error", async () => {
    vault.fault = ({ target }) =>
      target.includes('/db/creds/')
        ? { status: 500, body: { errors: ["PASSWORD 'p4ss'"] } }
        : undefined;
    const error = await failureOf(issue());
    expect(JSON.stringify([error.detail, String(error.cause), error.message])).not.toContain(
      'p4ss',
    );
  });

  it('is reported as not revoked when its lease is not, even if its token is', async () => {
    const issued = await issue();
    vault.fault = ({ target }) => (target.includes('/leases/revoke') ? { status: 500 } : undefined);
    const error = await failureOf(credentials.revoke(issued.handle, contextOf()));
    expect(error.code).toBe('ERR_PROVIDER_FAILED');
    expect(childTokens()).toBe(0);
    vault.fault = undefined;
    await credentials.revoke(issued.handle, contextOf());
  });

  it('is not treated as revoked when the broker may not revoke', async () => {
    const issued = await issue();
    vault.fault = ({ target }) =>
      target.includes('/revoke-accessor')
        ? { status: 403, body: { errors: ['permission denied'] } }
        : undefined;
    expect((await failureOf(credentials.revoke(issued.handle, contextOf()))).code).toBe(
      'ERR_PROVIDER_DENIED',
    );
  });

  it.each([
    [400, '1 error occurred:\n\t* invalid accessor\n\n'],
    [403, '1 error occurred:\n\t* invalid accessor\n\n'],
    [404, ''],
  ])('is treated as revoked when the server answers %i %j', async (status, said) => {
    const issued = await issue();
    vault.fault = ({ target }) =>
      target.includes('/revoke')
        ? { status, body: { errors: said === '' ? [] : [said] } }
        : undefined;
    await expect(credentials.revoke(issued.handle, contextOf())).resolves.toBeUndefined();
  });
});

describe('tokens between prepare and issue', () => {
  it('are dropped when they have expired', () => {
    const clock = new HandClock();
    const held = new PreparedTokens(clock);
    held.hold('a', new Sensitive('s.a'), 60);
    clock.advance(60_000);
    expect(held.take('a')).toBeUndefined();
  });

  it('are limited in number: the oldest is dropped', () => {
    const held = new PreparedTokens(new HandClock());
    for (let n = 0; n <= 10_000; n += 1) held.hold(`i${n}`, new Sensitive(`s.${n}`), 60);
    expect(held.take('i0')).toBeUndefined();
    expect(held.take('i1')?.reveal()).toBe('s.1');
  });
});
