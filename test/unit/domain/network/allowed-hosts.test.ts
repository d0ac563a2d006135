import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  declaredHost,
  isAllowedHost,
  isHostPattern,
} from '../../../../src/domain/network/allowed-hosts.ts';

describe('hosts that a configuration allows', () => {
  it.each([
    ['east.example.com', true],
    ['*.example.com', true],
    ['10.0.0.0/8', true],
    ['2001:db8::/32', true],
    ['localhost', true],
    ['*', false],
    ['*.', false],
    ['a.*.example.com', false],
    ['East.example.com', false],
    ['10.0.0.1', false],
    ['10.0.0.1/8', false],
    ['east.example.com:6443', false],
    ['', false],
  ])('accept the pattern %s: %s', (pattern, isPattern) => {
    expect(isHostPattern(pattern)).toBe(isPattern);
  });

  it.each([
    ['https://east.example.com', 'east.example.com'],
    ['https://east.example.com:6443', 'east.example.com'],
    ['https://east.example.com/k8s/clusters/c-1', 'east.example.com'],
    ['https://10.1.2.3:6443', '10.1.2.3'],
    ['https://[2001:db8::1]:6443', '2001:db8::1'],
    ['http://east.example.com', undefined],
    ['https://EAST.example.com', undefined],
    ['https://user@east.example.com', undefined],
    ['https://east.example.com?x', undefined],
    ['https://east.example.com#x', undefined],
    ['https://0x0a010203', undefined],
    ['https://east.example.com\\@evil.example', undefined],
    ['https://east.example.com/a/../b', undefined],
    ['east.example.com', undefined],
    ['', undefined],
  ])('read the host of %s', (address, host) => {
    expect(declaredHost(address)).toBe(host);
  });

  it.each([
    [['*.example.com'], 'east.example.com', true],
    [['*.example.com'], 'a.b.example.com', true],
    [['*.example.com'], 'example.com', false],
    [['*.example.com'], 'evilexample.com', false],
    [['*.1'], '10.0.0.1', false],
    [['east.example.com'], 'east.example.com', true],
    [['east.example.com'], 'west.example.com', false],
    [['10.0.0.0/8'], '10.1.2.3', true],
    [['10.0.0.0/8'], '11.1.2.3', false],
    [['10.0.0.0/8'], '::ffff:10.1.2.3', true],
    [['2001:db8::/32'], '2001:db8::1', true],
    [['0.0.0.0/0'], 'east.example.com', false],
    [[], 'east.example.com', false],
  ])('%j: the host %s is allowed: %s', (patterns, host, isAllowed) => {
    expect(isAllowedHost(patterns, host)).toBe(isAllowed);
  });

  it('never allow a host that the address itself does not spell', () => {
    fc.assert(
      fc.property(fc.webUrl({ withFragments: true, withQueryParameters: true }), (address) => {
        const host = declaredHost(address);
        expect(host === undefined || address.includes(host)).toBe(true);
      }),
    );
  });
});
