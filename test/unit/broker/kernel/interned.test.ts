import { describe, expect, it } from '@jest/globals';
import { interned } from '../../../../src/broker/kernel/interned.ts';

describe('texts that many objects keep', () => {
  it('come back unchanged, also after more texts than the table holds', () => {
    for (let i = 0; i < 40_000; i += 1) expect(interned(`secret/${i}`)).toBe(`secret/${i}`);
    for (const text of ['', 'ä€😀', '\ud800 alone', 'secret/0']) expect(interned(text)).toBe(text);
  });
});
