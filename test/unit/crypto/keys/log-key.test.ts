import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { macRow } from '../../../../src/crypto/signatures/row-mac.ts';
import {
  logKeyOf,
  RootKey,
  unwrapRootKey,
  wrappableLogKey,
  wrapRootKey,
} from '../../../../src/crypto/keys/root-keys.ts';
import { importSecretKey } from '../../../../src/crypto/random/secret-key.ts';
import { decodeBase64 } from '../../../../src/crypto/random/base64.ts';
import { generateSigningKey, signingKeyOf } from '../../../../src/crypto/signatures/signing.ts';
import { LocalFileKey } from '../../../../src/providers/embedded/kek.ts';

interface Vector {
  readonly kekFile: string;
  readonly installation: string;
  readonly seed: string;
  readonly publicKey: string;
  readonly record: Readonly<Record<'id' | 'kekId' | 'wrapped' | 'commitment', string>>;
  readonly rootKeysMac: {
    readonly rootKey: string;
    readonly rootKeyId: string;
    readonly fields: Readonly<Record<string, string | number>>;
    readonly mac: string;
  };
}

const vector = JSON.parse(readFileSync('test/vectors/log-key-v1.json', 'utf8')) as Vector;
const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const kekBytes = decodeBase64(vector.kekFile.split('\n')[1] ?? '')!;
const kek = new LocalFileKey(importSecretKey(kekBytes));
const scope = { kek, installation: vector.installation, context: undefined };

it('unwraps the log key of the frozen vector', async () => {
  const { id, kekId, wrapped, commitment } = vector.record;
  const record = { id, kekId, wrapped: hex(wrapped), commitment: hex(commitment) };
  const logKey = logKeyOf(await unwrapRootKey(record, scope));
  expect(Buffer.from(logKey.publicKey).toString('hex')).toBe(vector.publicKey);
  expect(logKey.exportSeed().toString('hex')).toBe(vector.seed);
});

it('computes the MAC of the frozen vector, which names the commitment of the log key', () => {
  const { rootKey, rootKeyId, fields, mac } = vector.rootKeysMac;
  const active = new RootKey(rootKeyId, importSecretKey(hex(rootKey)));
  expect(macRow(active.keyFor('rowMac'), 'root_keys', fields).toString('hex')).toBe(mac);
  expect(fields[`${vector.record.id}/commitment`]).toBe(vector.record.commitment);
});

it('is the same key after it was wrapped and unwrapped', async () => {
  const logKey = generateSigningKey();
  const record = await wrapRootKey(wrappableLogKey(logKey), scope);
  expect(record.id).toMatch(/^lk_/);
  expect(logKeyOf(await unwrapRootKey(record, scope)).exportPem()).toBe(logKey.exportPem());
});

it('refuses a seed of another length', () => {
  expect(() => signingKeyOf(new Uint8Array(31))).toThrow(RangeError);
});
