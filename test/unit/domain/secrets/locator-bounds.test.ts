import { describe, expect, it } from '@jest/globals';
import { coversOverlap, isWithinBounds } from '../../../../src/domain/secrets/locator-bounds.ts';

describe('the bounds of a connection', () => {
  it.each([
    ['secret/data/pay/db', ['secret/data/pay/**'], true],
    ['secret/data/pay', ['secret/data/pay/**'], false],
    ['secret/data/payments/db', ['secret/data/pay/**'], false],
    ['secret/data/pay/db', ['secret/data/*/db'], true],
    ['secret/data/pay/db/x', ['secret/data/*/db'], false],
    ['secret/data', ['secret/data/*'], false],
    ['secret/data/pay', [], false],
    ['prod/db?stage=previous', ['prod/db'], true],
    ['prod/db#password', ['prod/db'], true],
    ['other?x=/prod/db', ['*/prod/db', '*/db'], false],
    ['other#/prod/db', ['**'], true],
  ])('contain or exclude %s within %j: %s', (locator, patterns, expected) => {
    expect(isWithinBounds(locator, patterns)).toBe(expected);
  });

  it('overlap when one reaches into the other, by whole segments', () => {
    expect(coversOverlap('a/', 'a/b/')).toBe(true);
    expect(coversOverlap('a/b', 'a/b')).toBe(true);
    expect(coversOverlap('', 'x/')).toBe(true);
    expect(coversOverlap('a/', 'ab/')).toBe(false);
  });
});
