import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { policy, RunningApi } from '../kit/api/running-api.ts';
import { storedEntries } from '../kit/store/store-diff.ts';

const OFFICE = '127.0.0.0/8';

/** The proxy is this host, so it lies in the network that policy and token allow. */
describe('a request from a trusted proxy', () => {
  let api: RunningApi;
  let token: string;
  let bound: string;
  beforeAll(async () => {
    api = await RunningApi.start({ listener: { trustedProxies: [OFFICE] } });
    await api.seed(['rotate']);
    await api.put('policies/office', officeOnly());
    token = await api.logIn();
    const made = await api.call('POST', '/api/v1/operators/bootstrap/tokens', {
      token: api.admin,
      body: { ttl: '1h', sourceCidrs: [OFFICE] },
    });
    bound = made.body['token'] as string;
  });
  afterAll(() => api.stop());

  const read = (forwarded: string) =>
    api.call('GET', '/api/v1/secrets/app/x', { token, headers: { 'X-Forwarded-For': forwarded } });
  const asOperator = (forwarded: string) =>
    api.call('GET', '/api/v1/operator-tokens/self', {
      token: bound,
      headers: { 'X-Forwarded-For': forwarded },
    });

  it.each(['127.0.0.9', '127.0.0.9:49152'])(
    'is allowed as from the office with %s',
    async (forwarded) => {
      expect((await read(forwarded)).status).toBe(404);
      expect((await asOperator(forwarded)).status).toBe(200);
    },
  );

  it.each(['203.0.113.9:443', '[2001:db8::1]', 'unknown', 'fe80::1%eth0', ''])(
    "is not treated as from the proxy's network: %s (DI04)",
    async (forwarded) => {
      expect((await read(forwarded)).status).toBe(403);
      expect((await asOperator(forwarded)).status).toBe(401);
    },
  );

  it('is recorded with an unknown address if it names no usable one', async () => {
    await read('_hidden');
    const entries = await storedEntries(api.broker.parts.store);
    expect(entries.at(-1)?.client).toMatchObject({ address: 'unknown' });
  });
});

function officeOnly(): object {
  const document = policy('office', ['app/**'], ['read']) as {
    readonly spec: { readonly rules: readonly object[] };
  };
  const [rule] = document.spec.rules;
  const rules = [{ ...rule, conditions: { sourceCidrs: [OFFICE] } }];
  return { ...document, spec: { ...document.spec, rules } };
}
