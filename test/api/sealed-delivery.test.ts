import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RunningApi } from '../support/parts.ts';
import { BoundSession } from '../support/sender.ts';

let api: RunningApi;
let bound: BoundSession;
beforeAll(async () => {
  api = await RunningApi.start();
  await api.furnish();
  bound = await BoundSession.open(api);
  await bound.call('PUT', '/api/v1/secrets/app/db', { data: { password: 'correct-horse' } });
});
afterAll(() => api.stop());

describe('a session that is bound to a key', () => {
  it('reads a secret sealed to its key, and to the request that asked', async () => {
    const headers = bound.headers('GET', '/api/v1/secrets/app/db', { claims: {} });
    const answer = await api.call('GET', '/api/v1/secrets/app/db', { headers });
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('application/jose');
    const { header, body } = await bound.opened(answer);
    const [, claims = ''] = headers['DPoP']!.split('.');
    const { jti } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { jti: string };
    expect(header).toMatchObject({
      alg: 'ECDH-ES',
      enc: 'A256GCM',
      kid: await bound.sender.thumbprint(),
      cty: 'json',
      jti,
      epk: { kty: 'EC', crv: 'P-256' },
    });
    expect(body).toMatchObject({ path: 'app/db', data: { password: 'correct-horse' } });
  });
});
