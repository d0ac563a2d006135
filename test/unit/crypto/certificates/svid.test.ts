import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { derElements } from '../../../../src/crypto/certificates/der.ts';
import { leadsTo, readLeaf } from '../../../../src/crypto/certificates/svid.ts';
import { parseSpiffeId } from '../../../../src/domain/identity/spiffe-id.ts';
import { CertificateAuthority } from '../../../kit/network/certificates.ts';

const AUTHORITY = new CertificateAuthority('example.org');
const URI = 'spiffe://example.org/ns/prod/shop';

function der(pem: string): Buffer {
  return new X509Certificate(pem).raw;
}

const LEAF = der(AUTHORITY.issue({ commonName: 'x', uris: [URI], keyUsage: 0x80 }).cert);

describe('the facts of a leaf certificate', () => {
  it('are undefined for any other bytes, and no bytes fail it in another way', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => {
        expect(readLeaf(Buffer.from(bytes))).toBeUndefined();
      }),
    );
  });

  it('are read or refused, and never throw, whatever bytes of a certificate are changed', () => {
    const change = fc.record({ at: fc.nat(LEAF.length - 1), byte: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), fc.nat(8), (changes, cut) => {
        const bytes = Buffer.from(LEAF.subarray(0, LEAF.length - cut));
        for (const { at, byte } of changes) if (at < bytes.length) bytes[at] = byte;
        const facts = readLeaf(bytes);
        if (facts !== undefined) expect(facts.uris.length).toBeLessThan(1_000);
        // A changed certificate is not signed by the authority, unless the change is none.
        if (!bytes.equals(LEAF)) {
          expect(leadsTo([bytes], AUTHORITY.cert, Date.now())).toBe(false);
        }
      }),
    );
  });

  it('have an authority if basic constraints or key usage say so', () => {
    const issued = (change: object) =>
      readLeaf(
        der(AUTHORITY.issue({ commonName: 'x', uris: [URI], keyUsage: 0x80, ...change }).cert),
      );
    expect(issued({})?.isAuthority).toBe(false);
    expect(issued({ isAuthority: true })?.isAuthority).toBe(true);
    expect(issued({ keyUsage: 0x82 })?.isAuthority).toBe(true);
    expect(issued({ keyUsage: 0x84 })?.isAuthority).toBe(true);
  });
});

describe('DER', () => {
  it('is read in full or refused with a RangeError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
        try {
          const read = derElements(Buffer.from(bytes));
          const total = read.reduce((sum, { content }) => sum + content.length, 0);
          expect(total).toBeLessThanOrEqual(bytes.length);
        } catch (error) {
          // Node's own, which is of another realm than the test.
          expect(error).toMatchObject({ name: 'RangeError' });
        }
      }),
    );
  });
});

describe('a chain', () => {
  it('leads to an authority that signed the leaf, and to no other of the same name', () => {
    const now = Date.now();
    expect(leadsTo([LEAF], AUTHORITY.cert, now)).toBe(true);
    expect(leadsTo([LEAF], new CertificateAuthority('example.org').cert, now)).toBe(false);
    expect(leadsTo([LEAF], '', now)).toBe(false);
    expect(leadsTo([], AUTHORITY.cert, now)).toBe(false);
  });

  it('does not lead over an authority that has expired', () => {
    expect(leadsTo([LEAF], AUTHORITY.cert, Date.now() + 40 * 86_400_000)).toBe(false);
  });
});

describe('a SPIFFE ID', () => {
  const segment = fc
    .stringMatching(/^[A-Za-z0-9._-]{1,12}$/)
    .filter((text) => !/^\.{1,2}$/.test(text));
  const domain = fc.stringMatching(/^[a-z0-9._-]{1,12}$/);

  it('has one form, from which it can be written again', () => {
    fc.assert(
      fc.property(
        domain,
        fc.array(segment, { minLength: 1, maxLength: 8 }),
        (trustDomain, path) => {
          const text = `spiffe://${trustDomain}/${path.join('/')}`;
          expect(parseSpiffeId(text)).toEqual({ trustDomain, path });
        },
      ),
    );
  });

  it('is never read from another text', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (rest) => {
        const parsed = parseSpiffeId(`spiffe://${rest}`);
        if (parsed !== undefined) expect([parsed.trustDomain, ...parsed.path].join('/')).toBe(rest);
      }),
    );
    expect(parseSpiffeId(`spiffe://a/${'b'.repeat(2_048)}`)).toBeUndefined();
  });
});
