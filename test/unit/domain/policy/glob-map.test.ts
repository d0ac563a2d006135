import { describe, it, expect } from '@jest/globals';
import { GlobMap } from '../../../../src/domain/policy/glob-map.ts';
import { countSteps } from '../../../kit/policy/count-steps.ts';

const PATTERNS = ['pay', 'pay-*', 'p*', '*', '*-eu', '*y-e*'];

function filled(): GlobMap<string> {
  const map = new GlobMap<string>();
  for (const pattern of PATTERNS) map.set(pattern, pattern);
  return map;
}

function matching(map: GlobMap<string>, text: string): readonly string[] {
  const found: string[] = [];
  map.match(text, (value) => found.push(value));
  return found.sort();
}

describe('a glob map', () => {
  it('finds each value whose pattern matches the text, once', () => {
    expect(matching(filled(), 'pay-eu')).toEqual(['*', '*-eu', '*y-e*', 'p*', 'pay-*']);
    expect(matching(filled(), 'pay')).toEqual(['*', 'p*', 'pay']);
    expect(matching(filled(), 'q')).toEqual(['*']);
  });

  it('gets a value by its exact pattern', () => {
    expect(PATTERNS.map((pattern) => filled().get(pattern))).toEqual(PATTERNS);
    expect(['pa', 'pa*', 'pay-*x', '*-us'].map((pattern) => filled().get(pattern))).toEqual(
      Array.from({ length: 4 }, () => undefined),
    );
  });

  it('is empty when every pattern is deleted, and ignores the deletion of a missing one', () => {
    const map = filled();
    for (const pattern of ['nothing', 'noth*', '*ing', 'pay-*-*']) map.delete(pattern);
    expect(matching(map, 'pay-eu')).toHaveLength(5);
    for (const pattern of PATTERNS) map.delete(pattern);
    expect(map.isEmpty).toBe(true);
    expect(matching(map, 'pay-eu')).toEqual([]);
  });

  it('does not change with its copy', () => {
    const map = filled();
    const copy = map.copy();
    copy.set('pay-e*', 'new');
    copy.delete('*');
    copy.delete('pay');
    expect(matching(map, 'pay-eu')).not.toContain('new');
    expect(matching(map, 'pay')).toEqual(['*', 'p*', 'pay']);
    expect(matching(copy, 'pay-eu')).toContain('new');
  });

  it('finds a value that was set after a lookup', () => {
    const map = filled();
    expect(matching(map, 'pay-eu-1')).toEqual(['*', '*y-e*', 'p*', 'pay-*']);
    map.set('pay-eu-*', 'later');
    map.set('*eu-1', 'later too');
    map.delete('p*');
    expect(matching(map, 'pay-eu-1')).toEqual(['*', '*y-e*', 'later', 'later too', 'pay-*']);
  });

  it('tries only the globs whose literal end the text has', () => {
    const map = filled();
    expect(countSteps(() => map.match('pay-eu', () => undefined))).toBe(5);
  });
});
