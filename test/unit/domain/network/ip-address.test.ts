import { describe, expect, it } from '@jest/globals';
import { networkOf } from '../../../../src/domain/network/ip-address.ts';

describe('networkOf', () => {
  it('keeps an IPv4 address as it is', () => {
    expect(networkOf('203.0.113.9')).toBe('203.0.113.9');
  });

  it('gives all addresses of one /64 the same network', () => {
    const written = [
      '2001:db8:0:1::1',
      '2001:0DB8:0000:0001:ffff:ffff:ffff:ffff',
      '2001:db8:0:1:0:0:192.0.2.1',
    ];
    expect(new Set(written.map(networkOf))).toEqual(new Set(['2001:db8:0:1::/64']));
  });

  it('distinguishes neighbouring /64 networks', () => {
    expect(networkOf('2001:db8:0:2::1')).not.toBe(networkOf('2001:db8:0:1::1'));
    expect(networkOf('2001:db8:8000:1::1')).not.toBe(networkOf('2001:db8:0:1::1'));
  });

  it('gives an IPv4-mapped address the network of the IPv4 address, however it is written', () => {
    expect(networkOf('::ffff:203.0.113.9')).toBe('203.0.113.9');
    expect(networkOf('::FFFF:cb00:7109')).toBe('203.0.113.9');
    expect(networkOf('0:0:0:0:0:ffff:255.255.255.255')).toBe('255.255.255.255');
  });

  it('does not confuse a loopback address with another network', () => {
    expect(networkOf('::1')).toBe('0:0:0:0::/64');
    expect(networkOf('127.0.0.1')).toBe('127.0.0.1');
  });

  it.each(['', 'unknown', 'fe80::1%eth0', '1::2::3'])('returns %j unchanged', (text) => {
    expect(networkOf(text)).toBe(text);
  });
});
