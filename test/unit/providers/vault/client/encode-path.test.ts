import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { encodeVaultPath } from '../../../../../src/providers/vault/client/encode-path.ts';

describe('the path of a request', () => {
  it('has each segment encoded by itself (B02)', () => {
    expect(encodeVaultPath('secret/data/a b/c?d#e%2f&;ü')).toBe(
      'secret/data/a%20b/c%3Fd%23e%252f%26%3B%C3%BC',
    );
  });

  it.each([
    '',
    'a//b',
    '/a',
    'a/',
    '.',
    '..',
    'a/../b',
    'a/.',
    'a\u0000',
    'a\nb',
    'a\u0085',
    'a\ud800',
  ])('refuses %j', (path) => {
    expect(() => encodeVaultPath(path)).toThrow(
      expect.objectContaining({ code: 'ERR_PATH_INVALID' }),
    );
  });

  it('decodes to the same segments and nothing else, for any content', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 1, unit: 'grapheme' }), { minLength: 1 }),
        (segments) => {
          const plain = segments.map((segment) => segment.replaceAll('/', '-')).join('/');
          let encoded;
          try {
            encoded = encodeVaultPath(plain);
          } catch {
            return;
          }
          // Decoded as an HTTP server does it, after any URL parser.
          const { pathname, search, hash } = new URL(`http://host/v1/${encoded}`);
          expect([search, hash]).toEqual(['', '']);
          expect(pathname.split('/').slice(2).map(decodeURIComponent).join('/')).toBe(plain);
        },
      ),
    );
  });
});
