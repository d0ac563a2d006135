import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { RunningApi } from '../kit/api/running-api.ts';

let api: RunningApi;
beforeAll(async () => {
  const rate = { perSecond: 10_000, burst: 100_000 };
  api = await RunningApi.start({
    limits: { addressRate: rate, loginRate: rate },
    refusals: { entriesPerWindow: 1_000 },
  });
  await api.seed();
});
afterAll(() => api.stop());

const seconds = (): number => Math.floor(Date.now() / 1000);
const account = (name: string): object => ({
  namespace: 'prod',
  pod: { name: 'api-0', uid: 'pod-uid-1' },
  serviceaccount: { name, uid: 'sa-uid-1' },
});

const subject = (text: string): Readonly<Record<string, unknown>> =>
  Object.fromEntries([['sub', text]]);

/** One token of each row; test/unit/auth has every variant of a row. */
const TOKENS: readonly (readonly [row: string, reason: string, make: () => string])[] = [
  ['J01', 'bad_alg', () => api.oddToken({ header: { alg: 'none' }, signature: new Uint8Array() })],
  ['J01', 'bad_alg', () => api.oddToken({ header: { alg: 'HS256' } })],
  ['J03', 'key_not_trusted', () => api.oddToken({ header: { jwk: { kty: 'EC' } } })],
  ['J05', 'key_not_trusted', () => api.oddToken({ header: { x5c: ['MIIB'] } })],
  ['J06', 'key_not_trusted', () => api.oddToken({ header: { kid: '../../dev/null' } })],
  ['J06', 'key_not_trusted', () => api.oddToken({ header: { kid: '__proto__' } })],
  ['J09', 'iss_mismatch', () => api.oddToken({ payload: { iss: 'https://issuer.test/' } })],
  ['J10', 'aud_missing', () => api.oddToken({ payload: { aud: undefined } })],
  [
    'J11',
    'aud_mismatch',
    () => api.oddToken({ payload: { aud: ['https://kubernetes.default.svc'] } }),
  ],
  ['J13', 'multi_aud', () => api.oddToken({ payload: { aud: ['quaymaster', 'other'] } })],
  ['J15', 'exp_invalid', () => api.oddToken({ payload: { exp: 1.5 } })],
  [
    'J16',
    'expired',
    () =>
      api.oddToken({
        payload: { exp: seconds() - 60, iat: seconds() - 600, nbf: seconds() - 600 },
      }),
  ],
  ['J16', 'not_yet_valid', () => api.oddToken({ payload: { nbf: seconds() + 90 } })],
  [
    'J18',
    '',
    () =>
      api.oddToken({
        payload: { iss: 'kubernetes/serviceaccount', aud: undefined, exp: undefined },
      }),
  ],
  ['J19', 'claim_mismatch', () => api.oddToken({ payload: { 'kubernetes.io': account('dev') } })],
  [
    'J20',
    'not_a_service_account',
    () => api.oddToken({ payload: subject('system:serviceaccount:prod:api:x') }),
  ],
  ['J21', 'duplicate_claim', () => api.oddToken({ payload: '{"sub":"a","sub":"b"}' })],
  ['J22', 'not_canonical', () => `${api.serviceAccountToken()}=`],
  ['J25', 'bad_crit', () => api.oddToken({ header: { crit: ['x'] } })],
  ['J30', 'bad_signature', () => api.oddToken({ signature: new Uint8Array(64) })],
];

describe('a refused login', () => {
  it.each(TOKENS)(
    'has the same answer for every reason, and the log names the reason (%s, %s)',
    async (_row, reason, make) => {
      const token = make();
      const entry = await expectDenied(api, {
        status: 401,
        code: 'ERR_TOKEN_INVALID',
        ...(reason !== '' && { reason }),
        unechoed: [token, ...(reason === '' ? [] : [reason])],
        send: () => api.call('POST', '/api/v1/sessions', { body: { cluster: 'c1', token } }),
      });
      expect(entry.actor).toEqual({ kind: 'unauthenticated' });
    },
  );

  it('does not parse a token longer than the limit of a body (J29)', async () => {
    const token = '.'.repeat(200_000);
    await expectDenied(api, {
      status: 413,
      code: 'ERR_BODY_TOO_LARGE',
      send: () => api.call('POST', '/api/v1/sessions', { body: { cluster: 'c1', token } }),
    });
  });

  it('does not affect a later login with a valid token', async () => {
    expect(await api.logIn()).toMatch(/^qms_/);
  });
});
