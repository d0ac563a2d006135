import { describe, expect, it } from '@jest/globals';
import type { Change } from '../../../../src/ports/store.ts';
import {
  ChangeFeed,
  fenceKeyOf,
  splitFenceKey,
} from '../../../../src/store/commits/change-feed.ts';

const change = (seq: number, fenceKey: string): Change => ({
  seq,
  ...splitFenceKey(fenceKey),
  at: 1,
});

describe('the feed of changes', () => {
  it('has the last invalidation of each key', () => {
    const feed = new ChangeFeed(10);
    feed.apply([change(11, 'a'), change(12, 'b:x'), change(13, 'a')]);
    expect(feed.seq).toBe(13);
    expect(feed.isInvalidated(['a'], 12)).toBe(true);
    expect(feed.isInvalidated(['a'], 13)).toBe(false);
    expect(feed.isInvalidated(['b:x'], 11)).toBe(true);
    expect(feed.isInvalidated(['b:x'], 12)).toBe(false);
    expect(feed.isInvalidated(['b', 'x'], 11)).toBe(false);
    expect(feed.isInvalidated([], 0)).toBe(false);
  });

  it('treats a decision from before its memory as stale, but not one that read nothing', () => {
    const feed = new ChangeFeed(10, 2);
    expect(feed.isInvalidated(['z'], 10)).toBe(false);
    expect(feed.isInvalidated(['z'], 9)).toBe(true);
    feed.apply([change(11, 'a'), change(12, 'b'), change(13, 'c')]);
    expect(feed.isInvalidated(['z'], 10)).toBe(true);
    expect(feed.isInvalidated([], 10)).toBe(false);
    expect(feed.isInvalidated(['z'], 11)).toBe(false);
    expect(feed.isInvalidated(['b'], 11)).toBe(true);
  });

  it('keeps a key in memory that is invalidated repeatedly', () => {
    const feed = new ChangeFeed(0, 2);
    feed.apply([change(1, 'a'), change(2, 'b'), change(3, 'a'), change(4, 'c')]);
    expect(feed.isInvalidated(['a'], 2)).toBe(true);
    expect(feed.isInvalidated(['a'], 3)).toBe(false);
  });

  it('ignores known changes, in any overlap', () => {
    const feed = new ChangeFeed(0);
    const heard: number[] = [];
    feed.watch((changes) => heard.push(...changes.map(({ seq }) => seq)));
    feed.apply([change(1, 'a'), change(2, 'b')]);
    feed.apply([change(2, 'b'), change(3, 'c')]);
    feed.apply([change(1, 'a')]);
    expect(heard).toEqual([1, 2, 3]);
  });

  it('lets a listener remove itself and be added twice', () => {
    const feed = new ChangeFeed(0);
    const heard: number[] = [];
    const listener = (): void => void heard.push(feed.seq);
    const ends = [feed.watch(listener), feed.watch(listener)];
    feed.apply([change(1, 'a')]);
    ends[0]!();
    feed.apply([change(2, 'a')]);
    expect(heard).toEqual([1, 1, 2]);
  });

  it.each(['policies', 'session:ses_1', 'secret:a/b:c', 'kind:'])(
    'keeps the fence key %s whole',
    (fenceKey) => {
      const whole = fenceKeyOf(change(1, fenceKey));
      expect(whole).toBe(fenceKey === 'kind:' ? 'kind' : fenceKey);
    },
  );
});
