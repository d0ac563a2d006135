import { expect, it } from '@jest/globals';
import { listenerConfigSchema, schemesOf } from '../../../src/api/config.ts';

const of = (listener: object): readonly string[] => schemesOf(listenerConfigSchema.parse(listener));
const tls = { certificateFile: 'c', keyFile: 'k' };

it('accepts https only when the broker terminates TLS', () => {
  expect(of({ tls })).toEqual(['https']);
  expect(of({ tls, plaintextBehindProxy: true })).toEqual(['https']);
});

it('accepts http, or the scheme of the proxy in front, when the broker serves plain HTTP', () => {
  expect(of({})).toEqual(['http']);
  expect(of({ plaintextBehindProxy: true })).toEqual(['https', 'http']);
});
