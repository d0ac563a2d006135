import { afterEach, expect, it } from '@jest/globals';
import { describeWith } from '../../kit/backends/backends.ts';
import { startTwoBrokers } from '../../kit/broker/two-brokers.ts';
import { OidcIssuer } from '../../kit/identity/oidc-issuer.ts';
import { Sender } from '../../kit/identity/proof-sender.ts';
import { ecKey, signedToken, type SigningKey } from '../../kit/identity/token-factory.ts';
import type { Serving } from '../../../src/program/serving/serve.ts';

const CLIENT = 'quaymaster';
const REDIRECT = 'http://127.0.0.1:4711/callback';

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

async function send(
  { url }: Serving,
  [method = '', path = '']: readonly string[],
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const answer = await fetch(`${url}/api/v1/${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: (await answer.json()) as Answer['body'] };
}

describeWith(['postgres'], 'a login of a person at two brokers on one PostgreSQL', (backends) => {
  const cleanUps: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  });

  async function startTwo(people: object): Promise<readonly [Serving, Serving, string]> {
    const { brokers, token, remove } = await startTwoBrokers(backends.postgres, () => ({ people }));
    cleanUps.push(remove);
    return [...brokers, token];
  }

  async function startIssuer(key: SigningKey) {
    const corp = await OidcIssuer.start({
      keys: [key],
      clients: [
        {
          client_id: CLIENT,
          redirect_uris: [REDIRECT],
          token_endpoint_auth_method: 'none',
          application_type: 'native',
          grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
          response_types: ['code'],
        },
      ],
    });
    cleanUps.push(() => corp.close());
    corp.user = { sub: 'alice' };
    const { url: issuerUrl, caFile } = corp;
    return { corp, issuer: { issuerUrl, clientId: CLIENT, caFile, deviceLogin: true } };
  }

  it('on another device shares its interval and the places of its network (O42)', async () => {
    const { corp, issuer } = await startIssuer(ecKey('k'));
    const [first, second] = await startTwo({ issuers: { corp: issuer } });
    const begin = (broker: Serving): Promise<Answer> =>
      send(broker, ['POST', 'logins'], { issuer: 'corp' });
    const { login } = (await begin(first)).body;
    const polls = await Promise.all(
      [first, second, second, first].map((broker) =>
        send(broker, ['POST', 'logins:finish'], { login }),
      ),
    );
    expect(polls.map(({ status }) => status)).toEqual([202, 202, 202, 202]);
    expect(corp.requests.filter((each) => each === 'POST /token')).toHaveLength(1);
    for (let at = 1; at < 16; at += 1)
      expect((await begin(at % 2 === 0 ? first : second)).status).toBe(200);
    expect([(await begin(first)).status, (await begin(second)).status]).toEqual([503, 503]);
  });

  it('opens one session, also if both finish it at once, and it is bound to its key at both (O40, O41)', async () => {
    const key = ecKey('k');
    const { corp, issuer } = await startIssuer(key);
    const [first, second, token] = await startTwo({ issuers: { corp: issuer } });
    const binding = await send(
      first,
      ['PUT', 'role-bindings/alice'],
      { issuer: 'corp', subjects: ['alice'], grants: [{ role: 'auditor', scope: [] }] },
      { authorization: `Bearer ${token}`, 'if-none-match': '*' },
    );
    expect(binding.status).toBe(201);
    await second.broker.parts.state.waitUntilCurrent();
    const begun = await send(first, ['POST', 'logins'], { issuer: 'corp', redirectUri: REDIRECT });
    const { login, address } = begun.body as { readonly login: string; readonly address: string };
    const answer = new URL(await corp.browse(address)).search.slice(1);
    const iat = Math.floor(Date.now() / 1000);
    const nonce = new URL(address).searchParams.get('nonce');
    const claims = { iss: corp.url, aud: CLIENT, sub: 'alice', iat, exp: iat + 600, nonce };
    corp.intercept = (request, response) => {
      if (request.url !== '/token') return false;
      const id_token = signedToken(key, claims);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ access_token: 'x', token_type: 'Bearer', id_token }));
      return true;
    };
    const finish = (broker: Serving): Promise<Answer> =>
      send(broker, ['POST', 'logins:finish'], { login, answer });
    const answers = await Promise.all([first, second, first, second].map(finish));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 401, 401, 401]);
    expect([(await finish(first)).status, (await finish(second)).status]).toEqual([401, 401]);
    corp.intercept = undefined;

    const sender = new Sender();
    const keyThumbprint = await sender.thumbprint();
    const order = { issuer: 'corp', redirectUri: REDIRECT, keyThumbprint };
    const bound = (await send(first, ['POST', 'logins'], order)).body;
    const back = new URL(await corp.browse(String(bound['address']))).search.slice(1);
    const proof = sender.proof({ method: 'POST', url: `${second.url}/api/v1/logins:finish` });
    const opened = await send(
      second,
      ['POST', 'logins:finish'],
      { login: bound['login'], answer: back },
      { DPoP: proof },
    );
    expect([opened.status, opened.body['keyThumbprint']]).toEqual([201, keyThumbprint]);
    const text = String(opened.body['token']);
    const self = `${first.url}/api/v1/operator-tokens/self`;
    const asBearer = await fetch(self, { headers: { authorization: `Bearer ${text}` } });
    const DPoP = sender.proof({ method: 'GET', url: self, token: text });
    const proven = await fetch(self, { headers: { authorization: `DPoP ${text}`, DPoP } });
    expect([asBearer.status, proven.status]).toEqual([401, 200]);
  });
});
