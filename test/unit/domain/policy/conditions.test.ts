import { describe, it, expect } from '@jest/globals';
import fc from 'fast-check';
import { cidrHolds, parseCidr } from '../../../../src/domain/network/cidr.ts';
import { parseIpAddress } from '../../../../src/domain/network/ip-address.ts';
import { compilePolicies, decide } from '../../../../src/domain/policy/index.ts';
import { parseTimeOfDay } from '../../../../src/domain/time/time-window.ts';
import { openTimeZone } from '../../../../src/domain/time/time-zone.ts';
import { REQUEST, allow, storedPolicy } from '../../../kit/policy/documents.ts';
import { ADDRESSES, TIME_WINDOWS } from '../../../kit/policy/vectors.ts';

describe('a source network', () => {
  it.each(ADDRESSES.networks)(
    'contains its own addresses and no other: $cidr',
    ({ cidr, holds, not }) => {
      const network = parseCidr(cidr)!;
      for (const text of holds)
        expect([text, cidrHolds(network, parseIpAddress(text)!)]).toEqual([text, true]);
      for (const text of not)
        expect([text, cidrHolds(network, parseIpAddress(text)!)]).toEqual([text, false]);
    },
  );

  it.each(ADDRESSES.notNetworks)('is not %j', (text) => {
    expect(parseCidr(text)).toBeUndefined();
  });

  it.each(ADDRESSES.notAddresses)('has no address %j', (text) => {
    expect(parseIpAddress(text)).toBeUndefined();
  });

  it('contains exactly the addresses that share its prefix, bit by bit', () => {
    const bits = (text: string): string =>
      parseIpAddress(text)!
        .map((word) => word.toString(2).padStart(32, '0'))
        .join('');
    const v4 = fc.ipV4();
    const v6 = fc.ipV6().filter((text) => parseIpAddress(text)?.length === 4);
    const pair = fc.oneof(fc.tuple(v4, v4, fc.nat(32)), fc.tuple(v6, v6, fc.nat(128)));
    fc.assert(
      fc.property(pair, ([network, address, prefixLength]) => {
        const cidr = { network: parseIpAddress(network)!, prefixLength };
        const shares =
          bits(network).slice(0, prefixLength) === bits(address).slice(0, prefixLength);
        expect(cidrHolds(cidr, parseIpAddress(address)!)).toBe(shares);
      }),
    );
  });
});

describe('a time window', () => {
  it.each(TIME_WINDOWS.windows)(
    'contains the times inside it and no others: $why',
    ({ window, inside, outside }) => {
      const compiled = compilePolicies([
        storedPolicy({ rules: [allow(['**'], { conditions: { timeWindows: [window] } })] }),
      ]);
      const effectAt = (instant: string): string =>
        decide(compiled, { ...REQUEST, now: Date.parse(instant) }).effect;
      expect(inside.map(effectAt)).toEqual(inside.map(() => 'allow'));
      expect(outside.map(effectAt)).toEqual(outside.map(() => 'deny'));
    },
  );

  it('refuses a time of another form', () => {
    for (const text of ['', '9:00', '09:0', '09:60', '25:00', '09:00:00', ' 09:00', '09.00']) {
      expect(parseTimeOfDay(text, true)).toBeUndefined();
    }
    expect(parseTimeOfDay('24:00', false)).toBeUndefined();
  });

  it('accepts a zone in any case of its name, and none that is too long or an offset', () => {
    expect(openTimeZone('europe/zurich')).toBe(openTimeZone('Europe/Zurich'));
    expect(openTimeZone('Etc/GMT+5')).toBeDefined();
    for (const name of ['', '+01:00', 'Europe/Zurich ', 'Mars/Olympus', `A${'a'.repeat(64)}`]) {
      expect(openTimeZone(name)).toBeUndefined();
    }
  });
});
