import { describe, expect, it } from '@jest/globals';
import { SourceAddress } from '../../../src/api/source-address.ts';

describe('the source address', () => {
  const sources = new SourceAddress(['10.0.0.0/8', 'fd00::/8']);

  it('of an IPv4 peer on a dual-stack socket is IPv4', () => {
    expect(SourceAddress.ofPeer('::ffff:192.0.2.1')).toBe('192.0.2.1');
    expect(SourceAddress.ofPeer('2001:db8::1')).toBe('2001:db8::1');
    expect(SourceAddress.ofPeer(undefined)).toBe('');
  });

  it.each([
    ['203.0.113.1', '203.0.113.1'],
    ['198.51.100.1, 203.0.113.1', '203.0.113.1'],
    ['198.51.100.1, 203.0.113.1, 10.0.0.7', '203.0.113.1'],
    ['203.0.113.1, fd00::7', '203.0.113.1'],
    ['10.0.0.9, 10.0.0.8', '10.0.0.9'],
    ['', '10.0.0.1'],
    ['unknown', '10.0.0.1'],
    ['203.0.113.1, unknown', '10.0.0.1'],
    ['203.0.113.1, unknown, 10.0.0.5', '10.0.0.5'],
    ['203.0.113.1:443', '10.0.0.1'],
    ['[2001:db8::1]', '10.0.0.1'],
    ['203.0.113.1,', '10.0.0.1'],
    ['010.0.0.1', '10.0.0.1'],
  ])('behind a proxy that says "%s" is %s', (forwarded, expected) => {
    expect(sources.behind('10.0.0.1', forwarded)).toBe(expected);
  });

  it('trusts only whom the configuration names', () => {
    expect(sources.isTrusted('10.1.2.3')).toBe(true);
    expect(sources.isTrusted('11.1.2.3')).toBe(false);
    expect(sources.isTrusted('not an address')).toBe(false);
  });
});
