import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import {
  importWebhookKey,
  isSignedAlert,
  signWebhook,
} from '../../../../src/crypto/signatures/webhook-signature.ts';

interface Vector {
  readonly id: string;
  readonly at: number;
  readonly body: string;
  readonly header: string;
}
const { key: text, cases } = JSON.parse(readFileSync('test/vectors/alert-v1.json', 'utf8')) as {
  key: string;
  cases: readonly Vector[];
};
const key = importWebhookKey(text)!;

describe('the signature of an alert', () => {
  it.each(cases)(
    'is unchanged for the frozen alert $id, and verifies',
    ({ header, body, id, at }) => {
      const bytes = Buffer.from(body);
      expect(signWebhook(key, { direction: 'alert', id, at, body: bytes })).toBe(header);
      expect(isSignedAlert(key, header, { body: bytes, now: at })).toBe(true);
    },
  );

  const body = Buffer.from('{}');
  const signed = (direction: 'alert' | 'request', at = 1_000): string =>
    signWebhook(key, { direction, id: 'a', at, body });

  it.each([
    ['300 seconds early', signed('alert', 1_300), true],
    ['301 seconds early', signed('alert', 1_301), false],
    ['300 seconds late', signed('alert', 700), true],
    ['301 seconds late', signed('alert', 699), false],
    ['as a request of the broker', signed('request'), false],
    ['without a signature', '', false],
    ['with another time', signed('alert').replace('t=1000', 't=1001'), false],
  ])('verifies only within 300 seconds, as it was signed: %s', (_what, header, isGood) => {
    expect(isSignedAlert(key, header, { body, now: 1_000 })).toBe(isGood);
  });

  it('does not verify another body or under another key', () => {
    const other = importWebhookKey(`${text}x`)!;
    expect(isSignedAlert(key, signed('alert'), { body: Buffer.from('[]'), now: 1_000 })).toBe(
      false,
    );
    expect(isSignedAlert(other, signed('alert'), { body, now: 1_000 })).toBe(false);
  });
});
