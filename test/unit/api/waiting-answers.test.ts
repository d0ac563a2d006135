import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { WaitingAnswers } from '../../../src/api/waiting-answers.ts';

const KIB = 1_024;
const response = (): ServerResponse => new ServerResponse(new IncomingMessage(new Socket()));

describe('answers that wait to be taken', () => {
  it('are bounded for each, and for all together', () => {
    const waiting = new WaitingAnswers({ ofOne: 64 * KIB, ofAll: 128 * KIB });
    const taken = response();
    waiting.hold('a', 32 * KIB, taken);
    expect(waiting.isFull('a')).toBe(false);
    waiting.hold('a', 32 * KIB, response());
    expect(['a', 'b'].map((holder) => waiting.isFull(holder))).toEqual([true, false]);
    waiting.hold('b', 63 * KIB, response());
    waiting.hold('c', 16 * KIB, response());
    expect(['a', 'b', 'c', 'd'].map((holder) => waiting.isFull(holder))).toEqual([
      true,
      true,
      true,
      true,
    ]);
    taken.emit('close');
    expect(['a', 'b', 'c', 'd'].map((holder) => waiting.isFull(holder))).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });

  it('are not counted where they are small', () => {
    const waiting = new WaitingAnswers({ ofOne: 1, ofAll: 1 });
    waiting.hold('a', 1_000, response());
    expect(waiting.isFull('a')).toBe(false);
  });
});
