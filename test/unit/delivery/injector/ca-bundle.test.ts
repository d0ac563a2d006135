import { describe, expect, it } from '@jest/globals';
import { generateKeyPair } from '../../../../src/crypto/keys/key-pair.ts';
import { selfSigned } from '../../../../src/crypto/certificates/self-signed.ts';
import { withCertificates } from '../../../../src/delivery/injector/ca-bundle.ts';

const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 0, 1);
const pair = await generateKeyPair('ec-p256');

function certificate(commonName: string, endsInHours: number): string {
  return selfSigned('ec-p256', pair, {
    commonName,
    dnsNames: ['injector.test'],
    ipAddresses: [],
    notBefore: new Date(NOW - 48 * HOUR),
    notAfter: new Date(NOW + endsInHours * HOUR),
  });
}

const encoded = (...pems: readonly string[]): string =>
  Buffer.from(pems.join('')).toString('base64');
const owner = (name: string): string => `quaymaster-injector ${name}`;
const at = (name: string): { owner: string; now: number } => ({ owner: owner(name), now: NOW });

describe('the bundle that API servers trust', () => {
  it('gets the certificate of a broker, and then stays unchanged', () => {
    const own = certificate(owner('a'), 24);
    const bundle = withCertificates(undefined, [own], at('a'));
    expect(bundle).toBe(encoded(own));
    expect(withCertificates(bundle, [own], at('a'))).toBe(bundle);
  });

  it('keeps those of other brokers, and does not depend on which broker writes', () => {
    const a = certificate(owner('a'), 24);
    const b = certificate(owner('b'), 12);
    const bundle = withCertificates(encoded(a), [b], at('b'));
    expect(withCertificates(bundle, [a], at('a'))).toBe(bundle);
    expect(withCertificates(encoded(b), [a], at('a'))).toBe(bundle);
  });

  it('drops expired certificates, and those of the same broker from before its restart', () => {
    const gone = certificate(owner('b'), -1);
    const former = certificate(owner('a'), 24);
    const own = certificate(owner('a'), 25);
    expect(withCertificates(encoded(gone, former), [own], at('a'))).toBe(encoded(own));
  });

  it('keeps certificates that are not a broker’s, expired or not', () => {
    const foreign = certificate('authority of the operator', -1);
    const own = certificate(owner('a'), 24);
    expect(withCertificates(encoded(foreign), [own], at('a'))).toBe(encoded(foreign, own));
  });

  it('holds two of one broker while it renews', () => {
    const own = [certificate(owner('a'), 24), certificate(owner('a'), 48)] as const;
    expect(withCertificates(encoded(own[0]), own, at('a'))).toBe(encoded(...own));
  });

  it('is limited in size', () => {
    const others = Array.from({ length: 120 }, (_, index) =>
      certificate(owner(`pod-${index}`), 1 + index),
    );
    const own = certificate(owner('a'), 1);
    const bundle = withCertificates(encoded(...others), [own], at('a'));
    const text = Buffer.from(bundle, 'base64').toString();
    expect(text.match(/BEGIN/g)).toHaveLength(101);
    expect(text).toContain(own);
    expect(text).toContain(others[119]);
    expect(text).not.toContain(others[0]);
  });

  it('is replaced if it does not contain certificates', () => {
    const own = certificate(owner('a'), 24);
    expect(withCertificates('bm9uc2Vuc2U=', [own], at('a'))).toBe(encoded(own));
  });
});
