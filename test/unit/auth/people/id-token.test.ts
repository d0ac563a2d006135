import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readIdToken } from '../../../../src/auth/people/id-token.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { rawToken } from '../../../kit/identity/token-factory.ts';

const NOW = 1_780_000_000;
const RULES = { issuer: 'https://issuer.test', clientId: 'quaymaster' };
const HEADER = { alg: 'ES256', kid: 'k' };
const CLAIMS = {
  iss: RULES.issuer,
  aud: RULES.clientId,
  sub: 'alice',
  iat: NOW,
  exp: NOW + 600,
  auth_time: NOW,
};

const read = (token: string): unknown => readIdToken(token, RULES, NOW * 1000);

it('reads a token of this issuer for this client', () => {
  expect(read(rawToken({ header: HEADER, payload: CLAIMS }))).toEqual(CLAIMS);
});

it.each([
  ['RS256', true],
  ['PS256', true],
  ['EdDSA', true],
  ['none', false],
  ['HS256', false],
])('takes a token by the algorithm %s: %s', (alg, isTaken) => {
  const token = rawToken({ header: { ...HEADER, alg }, payload: CLAIMS });
  if (isTaken) expect(read(token)).toEqual(CLAIMS);
  else expect(() => read(token)).toThrow(expect.objectContaining({ reason: 'bad_alg' }));
});

it('returns claims of its issuer, client and time, or refuses, whatever a claim is', () => {
  const claim = fc.constantFrom(...Object.keys(CLAIMS), 'azp', 'nbf');
  fc.assert(
    fc.property(claim, fc.jsonValue(), (name, value) => {
      const payload = { ...CLAIMS, [name]: value };
      let claims: Readonly<Record<string, unknown>>;
      try {
        claims = read(rawToken({ header: HEADER, payload })) as typeof claims;
      } catch (error) {
        expect(error).toBeInstanceOf(BrokerError);
        expect(error).toMatchObject({ code: 'ERR_TOKEN_INVALID' });
        return;
      }
      expect([claims['aud']].flat()).toContain(RULES.clientId);
      expect([claims['iss'], claims['azp'] ?? RULES.clientId]).toEqual(Object.values(RULES));
      expect(Number.isSafeInteger(claims['exp'])).toBe(true);
      expect(Number(claims['auth_time'] ?? 0)).toBeLessThanOrEqual(NOW + 30);
      expect(typeof claims['sub']).toBe('string');
    }),
  );
});

it('refuses any other text without another error', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(() => read(text)).toThrow(BrokerError);
      expect(() => read(rawToken({ header: HEADER, payload: text }))).toThrow(BrokerError);
    }),
  );
});
