import { describe, expect, it } from '@jest/globals';
import { newToken } from '../../../../src/crypto/random/token.ts';
import { redactCredentials } from '../../../../src/domain/words/redact-credentials.ts';
import { growthOf } from '../../../kit/checks/time-growth.ts';
import { ecKey, rawToken } from '../../../kit/identity/token-factory.ts';

const session = newToken('qms');
const jwt = rawToken({
  header: { alg: 'ES256', kid: 'k' },
  payload: { iss: 'https://issuer.test', aud: ['quaymaster'] },
  key: ecKey('k'),
});
const encoded = (text: string): string =>
  Buffer.from(text).toString('hex').replaceAll(/../g, '%$&');
const split = (text: string, by: string): string => (text.match(/.{1,9}/g) ?? []).join(by);

const SPLIT_JWT = 'a JWT split by line breaks';
const SPELLINGS: readonly (readonly [name: string, text: string, secret: string])[] = [
  ['a session token', session, session.slice(8)],
  ['an operator token', newToken('qmo'), ''],
  ['one cut off', session.slice(0, 20), session.slice(8, 20)],
  ['one with a wrong checksum', `${session.slice(0, -3)}000`, session.slice(8, 40)],
  ['one glued to a word', `token${session}`, session.slice(8)],
  ['one with an encoded underscore', session.replace('_', '%5F'), session.slice(8)],
  ['one percent-encoded whole', encoded(session), encoded(session.slice(8, 20))],
  ['one encoded twice', encoded(session).replaceAll('%', '%25'), session.slice(8)],
  ['one split by blanks', split(session, ' '), session.slice(20, 26)],
  ['one split by line breaks', split(session, '\r\n '), session.slice(20, 26)],
  ['one split by quotes and plus', split(session, '" + "'), session.slice(20, 26)],
  ['one split by encoded line breaks', split(session, '%0a'), session.slice(20, 26)],
  ['a JWT', jwt, jwt.slice(30)],
  ['a JWT without its signature', jwt.slice(0, jwt.lastIndexOf('.')), jwt.slice(30, 60)],
  ['a JWT glued to a word', `x${jwt}`, jwt.slice(30)],
  ['a JWT with encoded dots', jwt.replaceAll('.', '%2E'), jwt.split('.')[1] ?? ''],
  [SPLIT_JWT, split(jwt, '\n'), jwt.slice(27, 34)],
  ['a Vault token', 'hvs.CAESIJlA0123456789', 'CAESIJlA0123456789'],
  ['an AWS access key', 'AKIAIOSFODNN7EXAMPLE', 'IOSFODNN7EXAMPLE'],
];

describe("a credential in a client's text", () => {
  it.each(SPELLINGS)('is redacted: %s (A12)', (name, text, secret) => {
    for (const [before, after] of [
      ['', ''],
      ['agent/1.0 (', ') linux'],
      ['/api/v1/secrets/kv/', '/db?x=1'],
    ]) {
      const shown = redactCredentials(`${before}${text}${after}`);
      expect(shown).toContain('[sensitive]');
      expect(shown.startsWith(before ?? '')).toBe(true);
      // The end of a split JWT is indistinguishable from the following text.
      if (name !== SPLIT_JWT) expect(shown.endsWith(after ?? '')).toBe(true);
      expect(shown).not.toContain(secret === '' ? text : secret);
    }
  });

  it.each([
    'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
    'payments/api-keys/monkey.json',
    'app/keyJournalEntries/v1.2',
    'req_01hzy8v0m3k5j7',
    '100%25 of qms tokens',
    'lea_0123456789abcdef',
  ])('is not found in a text without one: %s', (text) => {
    expect(redactCredentials(text)).toBe(text);
  });

  it('is found in one pass: the time for hostile texts of 64 KiB grows linearly', () => {
    for (const unit of ['eyJ', 'qms_', '%25', 'eyJ.', 'q m s _', '%', 'eyJaaaaaaaaaaaaaaaaaaa ']) {
      const text = (length: number): string => unit.repeat(Math.ceil(length / unit.length));
      const factor = growthOf((length) => redactCredentials(text(length)), [4_096, 65_536]);
      // Sixteen times the text: a quadratic search would take 256 times as long.
      expect(factor).toBeLessThan(120);
    }
  });
});
