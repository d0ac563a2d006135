import { describe, expect, it } from '@jest/globals';
import { SourceAddress } from '../../../../src/api/request/source-address.ts';

describe('the source address', () => {
  const sources = new SourceAddress(['10.0.0.0/8', 'fd00::/8']);

  it('is the IPv4 address of an IPv4 peer on a dual-stack socket', () => {
    expect(SourceAddress.ofPeer('::ffff:192.0.2.1')).toBe('192.0.2.1');
    expect(SourceAddress.ofPeer('2001:db8::1')).toBe('2001:db8::1');
    expect(SourceAddress.ofPeer(undefined)).toBe('');
  });

  it.each([
    // nginx: $proxy_add_x_forwarded_for
    ['203.0.113.1', '203.0.113.1'],
    ['198.51.100.1, 203.0.113.1', '203.0.113.1'],
    ['198.51.100.1, 203.0.113.1, 10.0.0.7', '203.0.113.1'],
    ['203.0.113.1, fd00::7', '203.0.113.1'],
    ['10.0.0.9, 10.0.0.8', '10.0.0.9'],
    // Azure Application Gateway, AWS with routing.http.xff_client_port.enabled
    ['203.0.113.1:443', '203.0.113.1'],
    ['198.51.100.1:1, 203.0.113.1:65535, 10.0.0.7:80', '203.0.113.1'],
    ['[2001:db8::1]:49152', '2001:db8::1'],
    // Envoy with a proxy behind it that writes brackets
    ['2001:db8::1', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['2001:db8::1,[fd00::7]:15001', '2001:db8::1'],
    ['::ffff:203.0.113.1', '::ffff:203.0.113.1'],
  ])('is read behind a proxy that writes "%s": %s', (forwarded, expected) => {
    expect(sources.behind('10.0.0.1', forwarded)).toBe(expected);
  });

  it.each([
    '',
    'unknown',
    '_hidden',
    '203.0.113.1, unknown',
    '203.0.113.1, unknown, 10.0.0.5',
    '203.0.113.1,',
    '203.0.113.1, , 10.0.0.5',
    '010.0.0.1',
    'fe80::1%eth0',
    '[fe80::1%25eth0]:443',
    '[203.0.113.1',
    '[203.0.113.1]',
    '[203.0.113.1]:443',
    '[10.0.0.1]]',
    '203.0.113.1:',
    '203.0.113.1:443:443',
    '203.0.113.1:443000',
    'http://203.0.113.1',
    '2001:db8:85a3:8d3:1319:8a2e:370:7348:8080',
    '"203.0.113.1"',
    'for=203.0.113.1',
  ])(
    'is unknown behind a proxy that writes "%s", and never that of the proxy (DI04)',
    (forwarded) => {
      expect(sources.behind('10.0.0.1', forwarded)).toBe('unknown');
    },
  );

  it('comes only from proxies that the configuration names', () => {
    expect(sources.isTrusted('10.1.2.3')).toBe(true);
    expect(sources.isTrusted('11.1.2.3')).toBe(false);
    expect(sources.isTrusted('not an address')).toBe(false);
  });
});
