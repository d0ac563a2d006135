import { expect, it } from '@jest/globals';
import { listenerConfigSchema, schemesOf } from '../../../src/api/config.ts';

const of = (listener: object): readonly string[] => schemesOf(listenerConfigSchema.parse(listener));
const tls = { certificateFile: 'c', keyFile: 'k' };

it('clients reach a broker that ends TLS by https alone', () => {
  expect(of({ tls })).toEqual(['https']);
  expect(of({ tls, plaintextBehindProxy: true })).toEqual(['https']);
});

it('clients reach a broker in plain HTTP by http, or by what the proxy in front takes', () => {
  expect(of({})).toEqual(['http']);
  expect(of({ plaintextBehindProxy: true })).toEqual(['https', 'http']);
});
