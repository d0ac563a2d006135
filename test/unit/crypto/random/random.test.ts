import { describe, expect, it } from '@jest/globals';
import {
  orderedId,
  randomBytes,
  randomId,
  randomIv,
  RandomSource,
} from '../../../../src/crypto/random/random.ts';
import { isDegenerate } from '../../../../src/crypto/random/secret-key.ts';

describe('random bytes', () => {
  it('have the requested length and are never the same twice', () => {
    expect(randomBytes(32)).toHaveLength(32);
    expect(randomBytes(0)).toHaveLength(0);
    expect(randomBytes(32)).not.toEqual(randomBytes(32));
  });

  it('fail when the generator fails, and return nothing (C06)', () => {
    const source = new RandomSource(() => {
      throw new Error('no entropy');
    });
    expect(() => source.bytes(32)).toThrow('no entropy');
    expect(() => source.iv()).toThrow('no entropy');
  });

  it.each([0, 7, 255])('refuse a generator that returns only %i', (byte) => {
    expect(() => new RandomSource((target) => target.fill(byte)).bytes(32)).toThrow(
      /repeats itself/,
    );
    expect(() => new RandomSource((target) => target.fill(byte)).iv()).toThrow(/repeats itself/);
  });

  it('refuse a generator that returns the same bytes again, and wipe them', () => {
    let target: Uint8Array = new Uint8Array();
    const source = new RandomSource((given) => {
      target = given;
      given.forEach((_, i) => (given[i] = i * 37));
    });
    expect(source.bytes(32)).toHaveLength(32);
    expect(() => source.bytes(32)).toThrow(/repeats itself/);
    expect(target.every((byte) => byte === 0)).toBe(true);
  });

  it.each([
    ['IVs', 12, 'iv'],
    ['ids', 16, 'id'],
  ] as const)('refuse two equal %s in one pool', (_what, length, draw) => {
    let seed = 0;
    const source = new RandomSource((given) => {
      given.forEach((_, i) => (given[i] = (i % length) + seed));
      given.set(randomBytes(16), given.length - 16);
      seed += 1;
    });
    expect(() => source[draw]()).toThrow(/repeats itself/);
  });

  it('give 96-bit IVs from a pool without repeating one across pools', () => {
    const ivs = new Set(Array.from({ length: 5000 }, () => randomIv().toString('hex')));
    expect(ivs.size).toBe(5000);
    expect([...ivs].every((iv) => iv.length === 24)).toBe(true);
  });
});

describe('random ids', () => {
  it('are the prefix and 26 characters of lower-case base32', () => {
    for (let i = 0; i < 200; i++) expect(randomId('le')).toMatch(/^le_[0-9a-hjkmnp-tv-z]{26}$/);
  });

  it('use all of their 128 bits: each position has every possible value', () => {
    const seen = Array.from({ length: 26 }, () => new Set<string>());
    for (let i = 0; i < 2000; i++)
      Array.from(randomId('x').slice(2)).forEach((char, at) => seen[at]?.add(char));
    // 26 characters hold 130 bits: the last one has three bits of the value.
    expect(seen.map((chars) => chars.size)).toEqual([...Array.from({ length: 25 }, () => 32), 8]);
  });
});

describe('ordered ids', () => {
  const at = Date.UTC(2026, 10, 24);

  it('have the shape of random ones', () => {
    expect(orderedId('ses', at)).toMatch(/^ses_[0-9a-hjkmnp-tv-z]{26}$/);
    expect(orderedId('ses', 2 ** 48 - 1)).toMatch(/^ses_zzzzzzzzz[0-9a-hjkmnp-tv-z]{17}$/);
  });

  it('sort by creation time', () => {
    const times = [0, 1, 31, 32, 1_000, at, at + 1, at + 32, at * 2, 2 ** 48 - 1];
    const ids = times.map((time) => orderedId('ses', time));
    expect([...ids].sort()).toEqual(ids);
  });

  it('differ in 80 random bits if they are of one moment', () => {
    const ids = Array.from({ length: 5000 }, () => orderedId('ses', at));
    expect(new Set(ids).size).toBe(5000);
    // 48 bits of time are nine characters and three bits of the tenth.
    expect(new Set(ids.map((id) => id.slice(0, 13))).size).toBe(1);
    const seen = Array.from({ length: 16 }, () => new Set<string>());
    for (const id of ids) Array.from(id.slice(14)).forEach((char, i) => seen[i]?.add(char));
    expect(seen.map((chars) => chars.size)).toEqual([...Array.from({ length: 15 }, () => 32), 8]);
  });
});

describe('a degenerate key', () => {
  it.each([1, 2, 3, 4, 8, 16])('repeats itself every %i bytes', (period) => {
    const part = randomBytes(period);
    expect(
      isDegenerate(Buffer.from(Array.from({ length: 32 }, (_, i) => part[i % period] ?? 0))),
    ).toBe(true);
  });

  it('is never a random one', () => {
    for (let i = 0; i < 500; i++) expect(isDegenerate(randomBytes(32))).toBe(false);
  });
});
