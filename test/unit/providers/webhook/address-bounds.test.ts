import { describe, expect, it } from '@jest/globals';
import { isWithinReach } from '../../../../src/providers/server/addresses.ts';

describe('addresses that a webhook may have (R07)', () => {
  it.each(['93.184.215.14', '1.1.1.1', '172.32.0.1', '2606:4700::1111', '2a00:1450:4001::5'])(
    'include %s, in public',
    (address) => {
      expect([isWithinReach(address, false), isWithinReach(address, true)]).toEqual([true, true]);
    },
  );

  it.each([
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '100.64.0.1',
    '127.0.0.1',
    '127.255.255.254',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:10.0.0.1',
    'fd12::1',
    'fc00::1',
    '198.18.0.1',
    '203.0.113.9',
    '2001:db8::1',
    '4000::1',
  ])('include %s only if private addresses are allowed', (address) => {
    expect([isWithinReach(address, false), isWithinReach(address, true)]).toEqual([false, true]);
  });

  it.each([
    ['the metadata service of most clouds', '169.254.169.254'],
    ['the same, mapped', '::ffff:169.254.169.254'],
    ['the same, mapped in hexadecimal', '::ffff:a9fe:a9fe'],
    ['the same through NAT64', '64:ff9b::a9fe:a9fe'],
    ['the same through 6to4', '2002:a9fe:a9fe::1'],
    ['the same, compatible', '::169.254.169.254'],
    ['the metadata service in IPv6', 'fd00:ec2::254'],
    ['that of Alibaba', '100.100.100.200'],
    ['that of Azure', '168.63.129.16'],
    ['that of Oracle', '192.0.0.192'],
    ['credentials of a task', '169.254.170.2'],
    ['this host', '0.0.0.0'],
    ['any address', '::'],
    ['a link', 'fe80::1'],
    ['a link with its zone', 'fe80::1%eth0'],
    ['many hosts', '224.0.0.1'],
    ['all hosts', '255.255.255.255'],
    ['many hosts in IPv6', 'ff02::1'],
    ['a number', '2130706433'],
    ['octal', '0177.0.0.1'],
    ['hexadecimal', '0x7f000001'],
    ['a short form', '127.1'],
    ['a name', 'localhost'],
    ['nothing', ''],
  ])('never include %s', (_what, address) => {
    expect([isWithinReach(address, false), isWithinReach(address, true)]).toEqual([false, false]);
  });
});
