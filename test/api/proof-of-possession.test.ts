import { Agent, request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectDenied, type Denial } from '../kit/api/deny-contract.ts';
import type { Answered, RunningApi } from '../kit/api/running-api.ts';
import { rawHttp, rawRequest } from '../kit/network/raw-http.ts';
import {
  BOUND_SECRET as DB,
  BOUND_VALUE as CANARY,
  jtiOf,
  Sender,
  startWithBound,
  type BoundSession,
} from '../kit/identity/proof-sender.ts';

const CHALLENGE = 'DPoP error="invalid_dpop_proof"';

let api: RunningApi;
let bound: BoundSession;
beforeAll(async () => {
  ({ api, bound } = await startWithBound());
});
afterAll(() => api.stop());

describe('a request of a bound session (O23)', () => {
  const sent = (headers: Record<string, string>, method = 'GET'): (() => Promise<Answered>) => {
    return () => api.call(method, DB, { headers });
  };
  const old = Math.floor(Date.now() / 1000) - 300;
  const withoutProof = (): Record<string, string> => ({ Authorization: `DPoP ${bound.token}` });
  const withProof = (change: Parameters<BoundSession['headers']>[2]): Record<string, string> =>
    bound.headers('GET', DB, change);
  const jwk = (): object => bound.sender.jwk;

  it.each<readonly [string, string, () => Record<string, string>]>([
    ['no proof', 'dpop_missing', withoutProof],
    ['a proof of another address', 'dpop_htu', () => bound.headers('GET', '/api/v1/secrets/app/x')],
    [
      'a proof of another host',
      'dpop_htu',
      () => withProof({ claims: { htu: `http://evil.example${DB}` } }),
    ],
    [
      'a proof of another scheme',
      'dpop_htu',
      () => withProof({ claims: { htu: `https://127.0.0.1:${api.port}${DB}` } }),
    ],
    ['a proof of another method', 'dpop_htm', () => bound.headers('PUT', DB)],
    ['a proof five minutes old', 'dpop_iat', () => withProof({ claims: { iat: old } })],
    ['a proof without ath', 'dpop_ath', () => withProof({ claims: { ath: undefined } })],
    ['the ath of another token', 'dpop_ath', () => withProof({ claims: { ath: 'AAAA' } })],
    [
      'the proof of another key',
      'dpop_key',
      () => ({
        ...withoutProof(),
        DPoP: new Sender().proof({ method: 'GET', url: `${api.url}${DB}`, token: bound.token }),
      }),
    ],
    [
      'a proof that another key signed',
      'dpop_signature',
      () => withProof({ signedBy: new Sender() }),
    ],
    ['HS256', 'dpop_alg', () => withProof({ header: { alg: 'HS256' } })],
    [
      'alg none',
      'dpop_alg',
      () => withProof({ header: { alg: 'none' }, signature: new Uint8Array() }),
    ],
    [
      'the private key in the proof',
      'dpop_private_key',
      () => withProof({ header: { jwk: { ...jwk(), d: 'AAAA' } } }),
    ],
    ['another typ', 'dpop_typ', () => withProof({ header: { typ: 'JWT' } })],
    ['crit', 'dpop_crit', () => withProof({ header: { crit: ['exp'] } })],
    ['a huge proof', 'dpop_too_large', () => withProof({ claims: { pad: 'x'.repeat(8_000) } })],
    ['no jti', 'dpop_jti', () => withProof({ claims: { jti: undefined } })],
  ])('is refused with %s (O23)', async (_why, reason, make) => {
    const headers = make();
    const entry = await expectDenied(api, {
      status: 401,
      code: 'ERR_UNAUTHENTICATED',
      reason,
      unechoed: [reason, CANARY],
      send: challenged(sent(headers)),
    });
    expect(entry).toMatchObject({ action: 'request.refused', actor: { kind: 'unauthenticated' } });
  });

  it('is refused with a repeated proof (O23)', async () => {
    const headers = bound.headers('GET', DB);
    expect((await sent(headers)()).status).toBe(200);
    await expectDenied(api, {
      status: 401,
      code: 'ERR_UNAUTHENTICATED',
      reason: 'dpop_replayed',
      send: challenged(sent(headers)),
    });
  });

  it('is refused with a new proof that has a used jti (O23)', async () => {
    const headers = bound.headers('GET', DB);
    expect((await sent(headers)()).status).toBe(200);
    const claims = { jti: jtiOf(headers['DPoP']) };
    await expectDenied(api, {
      status: 401,
      code: 'ERR_UNAUTHENTICATED',
      reason: 'dpop_replayed',
      send: challenged(() =>
        api.call('GET', '/api/v1/secrets', {
          headers: bound.headers('GET', '/api/v1/secrets', { claims }),
        }),
      ),
    });
  });

  it('gets the same answer as a request with an unknown token', async () => {
    const [known, unknown] = await Promise.all(
      [bound.token, 'qms_gg3WUpOzqDTjRNG0wevaHes0ADSIXGvlaitfcQC7MLU2mBe3R'].map(async (token) => {
        const proof = new Sender().proof({ method: 'GET', url: `${api.url}${DB}`, token });
        const answer = await sent({ Authorization: `DPoP ${token}`, DPoP: proof })();
        const { requestId, ...problem } = answer.body as { readonly requestId: string };
        expect(requestId).toBe(answer.headers['x-request-id']);
        return { problem, challenge: answer.headers['www-authenticate'] };
      }),
    );
    expect(known).toEqual(unknown);
  });

  it('is refused with two proofs, even if both are valid (O23)', async () => {
    const headers = bound.headers('GET', DB);
    const more = [`DPoP: ${bound.headers('GET', DB)['DPoP']!}`];
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    const bytes = rawRequest(`GET ${DB} HTTP/1.1`, [...lines, ...more]);
    await expectDenied(api, {
      status: 401,
      code: 'ERR_UNAUTHENTICATED',
      reason: 'dpop_repeated',
      send: challenged(() => rawHttp(api.port, bytes, { end: false })),
    });
  });
});

describe('a token of a bound session', () => {
  it('is refused as a bearer token, whatever comes with it (O24)', async () => {
    const { DPoP } = bound.headers('GET', DB);
    const Authorization = `Bearer ${bound.token}`;
    for (const headers of [{ Authorization }, { Authorization, DPoP: DPoP! }]) {
      await expectDenied(api, {
        status: 401,
        code: 'ERR_UNAUTHENTICATED',
        reason: 'dpop_scheme',
        unechoed: [CANARY, bound.token],
        send: () => api.call('GET', DB, { headers }),
      });
    }
  });

  it('is refused as a bearer token on a connection that just had an accepted proof (O24)', async () => {
    const proof = bound.headers('GET', DB);
    const bearer = { Authorization: `Bearer ${bound.token}` };
    expect(await statuses([proof, bearer, bearer])).toEqual([200, 401, 401]);
  });

  it.each([
    ['GET', '/api/v1/sessions/self'],
    ['POST', '/api/v1/sessions/self/renew'],
    ['DELETE', '/api/v1/sessions/self'],
    ['GET', '/api/v1/secrets'],
    ['POST', '/api/v1/secrets:batch'],
    ['POST', '/api/v1/credentials/app/db'],
    ['POST', '/api/v1/acknowledgements'],
    ['GET', '/api/v1/events'],
  ])('does not %s %s without its proof (O24)', async (method, path) => {
    for (const scheme of ['Bearer', 'DPoP']) {
      const headers = { Authorization: `${scheme} ${bound.token}` };
      expect((await api.call(method, path, { headers })).status).toBe(401);
    }
  });
});

describe('an unbound token', () => {
  it('is refused with a proof, and the answer does not name its session', async () => {
    const token = await api.logIn();
    const proof = new Sender().proof({ method: 'GET', url: `${api.url}${DB}`, token });
    await expectDenied(api, {
      status: 401,
      code: 'ERR_UNAUTHENTICATED',
      reason: 'dpop_unbound',
      send: challenged(() =>
        api.call('GET', DB, { headers: { Authorization: `DPoP ${token}`, DPoP: proof } }),
      ),
    });
  });

  it('is refused with a proof if it belongs to an operator', async () => {
    const token = api.admin;
    const proof = new Sender().proof({ method: 'GET', url: `${api.url}/api/v1/policies`, token });
    await expectDenied(api, {
      status: 401,
      code: 'ERR_UNAUTHENTICATED',
      send: challenged(() =>
        api.call('GET', '/api/v1/policies', {
          headers: { Authorization: `DPoP ${token}`, DPoP: proof },
        }),
      ),
    });
  });
});

/** Each refusal names the required scheme and nothing else. */
function challenged(send: () => Promise<Denial | undefined>): () => Promise<Denial | undefined> {
  return async () => {
    const answer = await send();
    expect(answer?.headers['www-authenticate']).toBe(CHALLENGE);
    return answer;
  };
}

/** Requests that follow each other on one connection. */
async function statuses(all: readonly Record<string, string>[]): Promise<readonly number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const found: number[] = [];
  for (const [index, headers] of all.entries()) {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const sent = httpRequest(`${api.url}${DB}`, { agent, headers }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
    });
    sent.once('error', reject).end();
    found.push(await promise);
    expect(sent.reusedSocket).toBe(index > 0);
  }
  agent.destroy();
  return found;
}
