import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseAttestation } from '../../../../src/features/attestations/parse-attestation.ts';
import type { BrokerError } from '../../../../src/domain/errors.ts';
import { hostileBytes, hostileValue, parses } from '../../../kit/checks/hostile-values.ts';
import { ImageSigner } from '../../../kit/images/image-signer.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const signer = new ImageSigner();
const BUNDLE = signer.bundle(DIGEST) as { readonly dsseEnvelope: { readonly payload: string } };
const LEGACY = signer.legacy(DIGEST) as { readonly payload: string };

function pointers(value: unknown): readonly string[] {
  try {
    parseAttestation(value);
    return [];
  } catch (error) {
    return (error as BrokerError).problems?.map(({ pointer }) => pointer) ?? [String(error)];
  }
}

const encoded = (text: string): string => Buffer.from(text).toString('base64');
const withPayload = (text: string): object => ({
  ...BUNDLE,
  dsseEnvelope: { ...BUNDLE.dsseEnvelope, payload: encoded(text) },
});

describe('an attestation of any form', () => {
  it.each([
    ['a bundle', BUNDLE],
    ['a simple signing', LEGACY],
  ])('is accepted, or refused with the place: %s', (_name, valid) => {
    fc.assert(
      fc.property(hostileValue(valid), (value) => {
        parses(() => parseAttestation(value));
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['a bundle', BUNDLE.dsseEnvelope.payload],
    ['a simple signing', LEGACY.payload],
  ])('is accepted, or refused with the place, whatever was signed: %s (IS07)', (name, payload) => {
    fc.assert(
      fc.property(hostileBytes(Buffer.from(payload, 'base64')), (bytes) => {
        const text = bytes.toString('base64');
        const value =
          name === 'a bundle'
            ? { ...BUNDLE, dsseEnvelope: { ...BUNDLE.dsseEnvelope, payload: text } }
            : { ...LEGACY, payload: text };
        parses(() => parseAttestation(value));
      }),
      { numRuns: 500 },
    );
  });
});

describe('a bundle', () => {
  it.each<[string, object, string]>([
    [
      'another version',
      { ...BUNDLE, mediaType: 'application/vnd.dev.sigstore.bundle.v0.2+json' },
      '/attestation/mediaType',
    ],
    [
      'a signature over a message',
      { ...BUNDLE, dsseEnvelope: undefined, messageSignature: {} },
      '/attestation/dsseEnvelope',
    ],
    [
      'a certificate that costs a second to read',
      {
        ...BUNDLE,
        verificationMaterial: { certificate: { rawBytes: encoded('0'.repeat(50_000)) } },
      },
      '/attestation/verificationMaterial',
    ],
    [
      'two signatures',
      {
        ...BUNDLE,
        dsseEnvelope: { ...BUNDLE.dsseEnvelope, signatures: [{ sig: 'AA==' }, { sig: 'AA==' }] },
      },
      '/attestation/dsseEnvelope/signatures',
    ],
    [
      'another type of payload',
      { ...BUNDLE, dsseEnvelope: { ...BUNDLE.dsseEnvelope, payloadType: 'text/plain' } },
      '/attestation/dsseEnvelope/payloadType',
    ],
    [
      'more log entries than any signer makes',
      { ...BUNDLE, verificationMaterial: { tlogEntries: Array(5).fill({}) } },
      '/attestation/verificationMaterial/tlogEntries',
    ],
    [
      'a payload that names a member twice',
      withPayload('{"_type":1,"_type":2}'),
      '/attestation/dsseEnvelope/payload',
    ],
    [
      'a payload that nests deeply',
      withPayload(`${'{"a":'.repeat(17)}1${'}'.repeat(17)}`),
      '/attestation/dsseEnvelope/payload',
    ],
    [
      'base64 with other characters',
      { ...BUNDLE, dsseEnvelope: { ...BUNDLE.dsseEnvelope, payload: 'e30\n=' } },
      '/attestation/dsseEnvelope/payload',
    ],
  ])('is refused with %s', (_name, value, pointer) => {
    expect(pointers(value)).toContain(pointer);
  });

  it('reads no fact from the prototype of a predicate', () => {
    const statement = JSON.stringify({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ digest: { sha256: 'a'.repeat(64) } }],
      predicateType: 'https://slsa.dev/provenance/v1',
    });
    const polluting = statement.replace(
      /}$/,
      ',"predicate":{"__proto__":{"builder":{"id":"evil"}}}}',
    );
    expect(parseAttestation(withPayload(polluting)).builder).toBeUndefined();
  });
});
