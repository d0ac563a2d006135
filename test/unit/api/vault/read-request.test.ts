import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { readRequest } from '../../../../src/api/vault/read-request.ts';

function requestOf(url: string, headers: Readonly<Record<string, string>> = {}): IncomingMessage {
  const rawHeaders = Object.entries(headers).flat();
  return { method: 'GET', url, headers: { ...headers }, rawHeaders } as unknown as IncomingMessage;
}

const piece = fc.oneof(
  fc.constantFrom('/', '//', '%2f', '%2F', '%', '%25', '%00', '%40', '..', '.', '?', '&', '=', '+'),
  fc.constantFrom(
    'list=true',
    'token=x',
    '/v1/',
    'secret',
    'data',
    '\\',
    ';',
    '%C3%A9',
    '%e9',
    ' ',
  ),
  fc.string({ maxLength: 4 }),
);
const header = fc.constantFrom('x-vault-token', 'authorization', 'x-vault-namespace', 'dpop', 'x');

describe('the reader of requests', () => {
  it('refuses any target, or leaves a path that cannot be decoded again', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        try {
          const { path, verb } = readRequest(requestOf(pieces.join('')), false);
          expect(path).toMatch(/^[A-Za-z0-9._+=@:~/-]*$/);
          expect(decodeURIComponent(path)).toBe(path);
          expect(['GET', 'LIST']).toContain(verb);
        } catch (error) {
          expect(error).toBeInstanceOf(BrokerError);
          expect((error as BrokerError).kind).toBe('invalid');
        }
      }),
    );
  });

  it('refuses any headers, or leaves one token of one form and no proof', () => {
    fc.assert(
      fc.property(fc.dictionary(header, fc.string({ maxLength: 12 })), (headers) => {
        const request = requestOf('/v1/secret/data/x', headers);
        try {
          readRequest(request, false);
          const { authorization } = request.headers;
          if (authorization !== undefined) expect(authorization).toMatch(/^Bearer /);
          if (headers['x-vault-token'] !== undefined) {
            expect(authorization).toBe(`Bearer ${headers['x-vault-token']}`);
          }
          expect(request.headers['dpop']).toBeUndefined();
        } catch (error) {
          expect(error).toBeInstanceOf(BrokerError);
        }
      }),
    );
  });
});
