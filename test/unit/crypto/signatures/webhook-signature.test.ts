import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import {
  importWebhookKey,
  isSignedAnswer,
  signWebhook,
  type WebhookMessage,
} from '../../../../src/crypto/signatures/webhook-signature.ts';

interface Vector extends Omit<WebhookMessage, 'body'> {
  readonly body: string;
  readonly header: string;
}
const { key: text, cases } = JSON.parse(readFileSync('test/vectors/webhook-v1.json', 'utf8')) as {
  key: string;
  cases: readonly Vector[];
};
const key = importWebhookKey(text)!;

describe('the signature of a webhook', () => {
  it.each(cases)('is unchanged for the frozen $direction at $at', ({ header, body, ...vector }) => {
    expect(signWebhook(key, { ...vector, body: Buffer.from(body) })).toBe(header);
  });

  const id = 'dlv_1';
  const body = Buffer.from('{"outcome":"accepted"}');
  const header = signWebhook(key, { direction: 'answer', id, at: 5, body });

  it('verifies for the answer to its own request', () => {
    expect(isSignedAnswer(key, header, { id, body })).toBe(true);
  });

  it.each([
    ['another body', header, { id, body: Buffer.from('{"outcome":"done"}') }],
    ['another request', header, { id: 'dlv_2', body }],
    [
      'a reflected request',
      signWebhook(key, { direction: 'request', id, at: 5, body }),
      { id, body },
    ],
    ['another request by its name alone', header.replace('dlv_1', 'dlv_2'), { id, body }],
    ['another time', header.replace('t=5', 't=6'), { id, body }],
    ['a time with a zero in front', header.replace('t=5', 't=05'), { id, body }],
    [
      'another key',
      signWebhook(importWebhookKey(`${text}x`)!, { direction: 'answer', id, at: 5, body }),
      { id, body },
    ],
    ['a signature cut short', header.slice(0, -2), { id, body }],
    ['capitals', header.toUpperCase(), { id, body }],
    ['something before it', ` ${header}`, { id, body }],
    ['two of them', `${header}, ${header}`, { id, body }],
    ['none', '', { id, body }],
  ])('does not verify for %s', (_what, given, message) => {
    expect(isSignedAnswer(key, given, message)).toBe(false);
  });

  it.each(['', 'short', 'a'.repeat(64), 'abab'.repeat(16), 'x'.repeat(31)])(
    'is refused with the key %j',
    (weak) => {
      expect(importWebhookKey(weak)).toBeUndefined();
    },
  );
});
