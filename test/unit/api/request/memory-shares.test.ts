import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { Shares, type Holder } from '../../../../src/api/request/memory-shares.ts';

const KIB = 1_024;
const BOUNDS = {
  bodies: { ofOne: 64 * KIB, ofAll: 128 * KIB },
  answers: { ofOne: 64 * KIB, ofAll: 128 * KIB },
  strangers: { ofOne: 20 * KIB, ofAll: 40 * KIB },
  pushes: { ofOne: 8 * KIB, ofAll: 32 * KIB },
};
const response = (): ServerResponse => new ServerResponse(new IncomingMessage(new Socket()));
const caller = (holder: string): Holder => ({ holder, hasRights: true });

/** Reports whether the broker refuses more answers for a caller with rights. */
const isFull = (shares: Shares, holder: string): boolean =>
  shares.answersOf({ holder, hasRights: true }).isFull(holder);

describe('unread answers', () => {
  it('are limited for each caller, and for all together', () => {
    const shares = new Shares(BOUNDS);
    const taken = response();
    shares.hold(caller('a'), 32 * KIB, taken);
    expect(isFull(shares, 'a')).toBe(false);
    shares.hold(caller('a'), 32 * KIB, response());
    expect(['a', 'b'].map((name) => isFull(shares, name))).toEqual([true, false]);
    shares.hold(caller('b'), 63 * KIB, response());
    shares.hold(caller('c'), 16 * KIB, response());
    expect(['a', 'b', 'c', 'd'].map((name) => isFull(shares, name))).toEqual(Array(4).fill(true));
    taken.emit('close');
    // A caller above its part of the free memory waits until more answers are read.
    expect(['a', 'b', 'c', 'd'].map((name) => isFull(shares, name))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it('are not counted if they are small', () => {
    const shares = new Shares({ ...BOUNDS, answers: { ofOne: 1, ofAll: 1 } });
    shares.hold(caller('a'), 1_000, response());
    expect(isFull(shares, 'a')).toBe(false);
  });

  it('are counted if they are small and queue behind others that are unread', () => {
    const shares = new Shares({ ...BOUNDS, answers: { ofOne: 1_000, ofAll: 2_000 } });
    const socket = new Socket();
    socket.cork();
    socket.write('an unread answer');
    const behind = response();
    behind.assignSocket(socket);
    shares.hold(caller('a'), 1_000, behind);
    expect(isFull(shares, 'a')).toBe(true);
    socket.destroy();
  });
});

describe('callers without rights', () => {
  it('have shares of their own and take nothing from others, however many they are (DI06)', () => {
    const shares = new Shares(BOUNDS);
    const names = Array.from({ length: 10 }, (_, n) => `stranger ${n}`);
    const admitted = names.filter((holder) =>
      shares.bodiesOf({ holder, hasRights: false }).take(holder, 10 * KIB),
    );
    expect(admitted).toHaveLength(3);
    expect(shares.bodiesOf(caller('a')).take('a', 64 * KIB)).toBe(true);
  });
});
