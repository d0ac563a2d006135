import { request } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import { RunningApi } from '../kit/api/running-api.ts';
import { BoundSession, jtiOf, Sender } from '../kit/identity/proof-sender.ts';

const SELF = '/api/v1/sessions/self';

let api: RunningApi;
afterEach(() => api.stop());

async function started(options: Parameters<typeof RunningApi.start>[0]): Promise<BoundSession> {
  api = await RunningApi.start(options);
  await api.seed();
  return BoundSession.open(api);
}

describe('a caller with a bound token but without its key', () => {
  it('is rate limited by its address, and the holder of the key is not', async () => {
    const slow = { perSecond: 0.001, burst: 100 };
    const bound = await started({ limits: { addressRate: slow } });
    const url = `${api.url}${SELF}`;
    const guess = async (): Promise<number> => {
      const DPoP = new Sender().proof({ method: 'GET', url, token: bound.token });
      const headers = { Authorization: `DPoP ${bound.token}`, DPoP };
      return (await api.call('GET', SELF, { headers })).status;
    };
    const guesses: number[] = [];
    while (guesses.at(-1) !== 429) guesses.push(await guess());
    expect(guesses.slice(0, -1)).toEqual(guesses.slice(0, -1).map(() => 401));
    expect((await bound.call('GET', SELF)).status).toBe(200);
  });

  it('cannot force unlimited signature checks, and does not block the key holder at other addresses', async () => {
    const slow = { perSecond: 0.001, burst: 100 };
    const bound = await started({ limits: { addressRate: slow } });
    const other = new Sender();
    for (let tries = 0; tries < 12; tries += 1) {
      const headers = bound.headers('GET', SELF, { signedBy: other });
      expect([401, 429]).toContain(await statusFrom('127.0.0.1', headers));
    }
    // The broker does not even verify a valid proof.
    expect(await statusFrom('127.0.0.1', bound.headers('GET', SELF))).toBe(429);
    expect(await statusFrom('127.0.0.2', bound.headers('GET', SELF))).toBe(200);
  });
});

/** Sends a request from another address of this machine. */
async function statusFrom(localAddress: string, headers: Record<string, string>): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const sent = request(`${api.url}${SELF}`, { localAddress, headers }, (response) => {
    response.resume();
    resolve(response.statusCode ?? 0);
  });
  sent.once('error', reject).end();
  return promise;
}

describe('the rate limit of a workload', () => {
  it('is not spent by requests with a repeated proof', async () => {
    const bound = await started({
      limits: {
        addressRate: { perSecond: 1_000, burst: 10_000 },
        identityRate: { perSecond: 0.001, burst: 40 },
      },
    });
    const headers = bound.headers('GET', SELF);
    expect((await api.call('GET', SELF, { headers })).status).toBe(200);
    for (let times = 0; times < 60; times += 1) {
      expect((await api.call('GET', SELF, { headers })).status).toBe(401);
    }
    expect((await bound.call('GET', SELF)).status).toBe(200);
  });

  it('is checked before the broker stores a proof, so a refused request leaves no state', async () => {
    const bound = await started({ limits: { identityRate: { perSecond: 0.001, burst: 40 } } });
    const session = (await bound.call('GET', SELF)).body.session.id as string;
    const { proofs } = api.broker.parts;
    let status = 200;
    while (status === 200) {
      const headers = bound.headers('GET', SELF);
      ({ status } = await api.call('GET', SELF, { headers }));
      expect(proofs.knows(session, jtiOf(headers['DPoP']))).toBe(status === 200);
    }
    expect(status).toBe(429);
  });
});

describe('the scheme in a proof', () => {
  it('is accepted as https if a proxy terminates TLS, and as http', async () => {
    const bound = await started({ listener: { plaintextBehindProxy: true } });
    const statusFor = async (url: string): Promise<number> => {
      const headers = bound.headers('GET', SELF, { claims: { htu: url } });
      return (await api.call('GET', SELF, { headers })).status;
    };
    expect(await statusFor(`https://127.0.0.1:${api.port}${SELF}`)).toBe(200);
    expect(await statusFor(`http://127.0.0.1:${api.port}${SELF}`)).toBe(200);
    expect(await statusFor(`ftp://127.0.0.1:${api.port}${SELF}`)).toBe(401);
  });
});
