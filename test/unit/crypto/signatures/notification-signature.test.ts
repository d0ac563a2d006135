import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { sha256Hex } from '../../../../src/crypto/hashes/digest.ts';
import {
  importWebhookKey,
  signWebhook,
} from '../../../../src/crypto/signatures/webhook-signature.ts';

const vectors = JSON.parse(readFileSync('test/vectors/notification-v1.json', 'utf8')) as {
  readonly key: string;
  readonly signatures: readonly { at: number; body: string; header: string }[];
};

it.each(vectors.signatures)(
  'the signature of a notification is $header (NT02)',
  ({ at, body, header }) => {
    const key = importWebhookKey(vectors.key);
    const id = `ntf_${sha256Hex(body).slice(0, 32)}`;
    const message = { direction: 'notification', id, at, body: Buffer.from(body) } as const;
    expect(key && signWebhook(key, message)).toBe(header);
  },
);
