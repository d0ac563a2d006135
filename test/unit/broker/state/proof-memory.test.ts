import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ProofMemory, type Holder } from '../../../../src/broker/state/proof-memory.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

/** A proof is valid from 5 s before its `iat` to 60 s after it. */
const LIFE_MS = 65_000;

function session(id: string, owner = 'api'): Holder {
  return { id, owner };
}

describe('the memory of used proofs', () => {
  it('lasts as long as any proof is valid, whenever it arrived', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(200_000), { maxLength: 5 }), fc.nat(LIFE_MS), (before, after) => {
        const clock = new HandClock();
        const memory = new ProofMemory(clock);
        before.forEach((ms, index) => {
          clock.advance(ms);
          memory.remember(session('ses_1'), `earlier-${index}`);
        });
        expect(memory.remember(session('ses_1'), 'a')).toBe('new');
        clock.advance(after);
        expect(memory.remember(session('ses_1'), 'a')).toBe('seen');
      }),
    );
  });

  it('is emptied over time, so it does not grow', () => {
    const clock = new HandClock();
    const memory = new ProofMemory(clock, { ofSession: 2, ofOwner: 3, ofAll: 3 });
    memory.remember(session('ses_1'), 'a');
    memory.remember(session('ses_1'), 'b');
    clock.advance(132_000);
    expect(memory.remember(session('ses_1'), 'a')).toBe('new');
  });

  it('refuses a new proof when a session has no room, and drops no earlier one', () => {
    const clock = new HandClock();
    const memory = new ProofMemory(clock, { ofSession: 2, ofOwner: 100, ofAll: 100 });
    expect(memory.remember(session('ses_1'), 'a')).toBe('new');
    clock.advance(66_000);
    expect(memory.remember(session('ses_1'), 'b')).toBe('new');
    expect(memory.remember(session('ses_1'), 'c')).toBe('full');
    expect(memory.remember(session('ses_1'), 'a')).toBe('seen');
    expect(memory.remember(session('ses_2'), 'a')).toBe('new');
    clock.advance(66_000);
    expect(memory.remember(session('ses_1'), 'c')).toBe('new');
    expect(memory.remember(session('ses_1'), 'b')).toBe('seen');
  });

  it('is limited for the sessions of a workload, so that one leaves room for others', () => {
    const clock = new HandClock();
    const memory = new ProofMemory(clock, { ofSession: 2, ofOwner: 3, ofAll: 4 });
    const opened = ['ses_1', 'ses_2', 'ses_3', 'ses_4'].map((id) => session(id));
    expect(opened.map((each) => memory.remember(each, 'a'))).toEqual(['new', 'new', 'new', 'full']);
    expect(memory.remember(session('ses_5', 'web'), 'a')).toBe('new');
    clock.advance(66_000);
    expect(memory.remember(session('ses_6'), 'b')).toBe('full');
    clock.advance(66_000);
    expect(memory.remember(session('ses_6'), 'b')).toBe('new');
  });

  it('is limited for all sessions together', () => {
    const memory = new ProofMemory(new HandClock(), { ofSession: 2, ofOwner: 3, ofAll: 3 });
    for (const id of ['ses_1', 'ses_2', 'ses_3'])
      expect(memory.remember(session(id), 'a')).toBe('new');
    expect(memory.remember(session('ses_4'), 'a')).toBe('full');
    expect(memory.remember(session('ses_1'), 'a')).toBe('seen');
  });
});
