import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';

type Json = Record<string, unknown>;

/** Every hexadecimal string of 32 characters and more, and every long text, in a part of the vectors. */
function longTexts(part: unknown): string[] {
  if (typeof part === 'string') return part.length >= 32 ? [part.trimEnd()] : [];
  return part !== null && typeof part === 'object' ? Object.values(part).flatMap(longTexts) : [];
}

const vectors = (name: string): Json & { worked?: unknown; cases: Json[] } =>
  JSON.parse(readFileSync(`test/vectors/${name}.json`, 'utf8')) as Json & { cases: Json[] };
const page = (name: string): string => readFileSync(`internals/spec/${name}.md`, 'utf8');

describe('the worked example of a page', () => {
  it.each(['envelope-v1', 'row-mac-v1'])('is the first vector of %s', (name) => {
    const { worked, cases } = vectors(name);
    for (const text of longTexts([worked, cases[0]])) expect(page(name)).toContain(text);
  });

  it('is the first vector of root-keys-v1', () => {
    const { worked, cases, kekFile, rootKey } = vectors('root-key-v1');
    for (const text of longTexts([worked, cases[0], kekFile, rootKey]))
      expect(page('root-keys-v1')).toContain(text);
  });

  it('has the vector of the log key', () => {
    const { record, publicKey } = vectors('log-key-v1');
    for (const text of longTexts([record, publicKey])) expect(page('root-keys-v1')).toContain(text);
  });

  it('names every derived key of root-keys-v1', () => {
    const derived = vectors('root-key-v1')['derived'] as Record<string, { label: string }>;
    for (const { label } of Object.values(derived))
      expect(page('root-keys-v1')).toContain(`\`${label}\``);
  });

  it('is the first vector of tokens-v1', () => {
    for (const text of longTexts(vectors('token-v1').worked))
      expect(page('tokens-v1')).toContain(text);
  });

  it('is the first vector of webhook-v1', () => {
    const { key, cases } = vectors('webhook-v1');
    for (const text of longTexts([key, cases[0], cases[1]?.['header']]))
      expect(page('webhook-v1')).toContain(text);
  });

  it('is the first vector of sealed-delivery-v1', () => {
    const { thumbprint, ath, accepted, answer } = vectors('sealed-delivery-v1') as unknown as {
      readonly thumbprint: string;
      readonly ath: string;
      readonly accepted: readonly { readonly proof: string }[];
      readonly answer: { readonly jwe: string; readonly json: string };
    };
    for (const text of [thumbprint, ath, accepted[0]!.proof, answer.jwe, answer.json])
      expect(page('sealed-delivery-v1')).toContain(text);
  });

  it('is the first vector of witness-v1', () => {
    const { seed, publicKey, witnessKey, message, cosignature, submission } = vectors('witness-v1');
    const { body } = submission as Json;
    for (const text of longTexts([seed, publicKey, witnessKey, message, cosignature, body]))
      expect(page('witness-v1')).toContain(text);
  });

  it('is the first vector of checkpoint-v1', () => {
    const { seed, publicKey, verifierKey, root, note } = vectors('checkpoint-v1');
    for (const text of longTexts([seed, publicKey, verifierKey, root, note]))
      expect(page('checkpoint-v1')).toContain(text);
  });
});
