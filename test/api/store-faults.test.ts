import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectProblem } from '../kit/api/deny-contract.ts';
import { RunningApi } from '../kit/api/running-api.ts';
import { storeSnapshot } from '../kit/store/store-diff.ts';

let api: RunningApi;
let token: string;
let isBroken = false;
beforeAll(async () => {
  api = await RunningApi.start({
    failpoint: (name) => {
      if (isBroken && name === 'store.before_commit') throw new Error('disk on fire: canary-path');
    },
  });
  await api.seed();
  token = await api.logIn();
  await api.call('PUT', '/api/v1/secrets/app/x', { token, body: { data: { a: 'canary-value' } } });
  await api.call('GET', '/api/v1/secrets/app/x', { token });
});
afterAll(async () => {
  isBroken = false;
  await api.stop();
});

async function whileBroken<T>(work: () => Promise<T>): Promise<T> {
  isBroken = true;
  try {
    return await work();
  } finally {
    isBroken = false;
  }
}

describe('a request that cannot be recorded', () => {
  it('does not happen: no value, no session, no change, and no reason in the answer (F23)', async () => {
    const { store } = api.broker.parts;
    const before = await storeSnapshot(store);
    const body = { cluster: 'c1', token: api.serviceAccountToken() };
    const answers = await whileBroken(async () => [
      await api.call('GET', '/api/v1/secrets/app/x', { token }),
      await api.call('POST', '/api/v1/secrets:batch', {
        token,
        body: { items: [{ path: 'app/x' }] },
      }),
      await api.call('POST', '/api/v1/sessions', { body }),
      await api.call('PUT', '/api/v1/secrets/app/x', { token, body: { data: { a: 'b' } } }),
      await api.call('GET', '/api/v1/policies', { token: api.admin }),
      await api.call('GET', '/api/v1/nothing'),
      await api.call('GET', '/api/v1/secrets/app/x'),
    ]);
    for (const answer of answers) {
      expect(answer.status).toBe(503);
      expect(['ERR_AUDIT_UNAVAILABLE', 'ERR_STORE_UNAVAILABLE', 'ERR_OUTCOME_UNKNOWN']).toContain(
        answer.body.code,
      );
      expectProblem(answer, {
        status: 503,
        code: answer.body.code as string,
        unechoed: ['canary-value', 'canary-path', 'disk'],
      });
      expect(answer.headers).toHaveProperty('retry-after');
    }
    expect(await storeSnapshot(store)).toEqual(before);
  });

  it('leaves health and metrics available', async () => {
    const answers = await whileBroken(async () => [
      await api.call('GET', '/healthz'),
      await api.call('GET', '/metrics', { token: api.admin }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  });

  it('succeeds when the store is back', async () => {
    for (;;) {
      const read = await api.call('GET', '/api/v1/secrets/app/x', { token });
      if (read.status === 503) continue;
      expect(read.body.data).toEqual({ a: 'canary-value' });
      break;
    }
  });
});
