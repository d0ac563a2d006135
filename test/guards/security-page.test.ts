import { describe, expect, it } from '@jest/globals';
import { threatRows } from '../../scripts/threat-page.ts';
import { textOf } from '../kit/pages/tracked-files.ts';

const page = textOf('SECURITY.md');
const known = new Set(threatRows(textOf('internals/threat-coverage.md')).map(({ id }) => id));
const IDS = /^[A-Z]{1,2}\d\d(?:, [A-Z]{1,2}\d\d)*$/;

const promises = [...page.matchAll(/^\| (.+?) \| (.+) \| (.+?) \|$/gm)]
  .map(([, attacker = '', , tests = '']) => ({ attacker, tests }))
  .filter(({ attacker }) => attacker !== 'attacker');
const inText = [...page.matchAll(/\(((?:[A-Z]{1,2}\d\d(?:, )?)+)\)/g)].map(([, ids = '']) => ids);

/** test/guards/threat-coverage.test.ts requires a test for each row. */
describe('SECURITY.md', () => {
  it('names rows of threat coverage for each promise', () => {
    expect(promises.length).toBeGreaterThan(15);
    expect(promises.filter(({ tests }) => !IDS.test(tests))).toEqual([]);
  });

  it('names only rows that exist', () => {
    const named = [...promises.map(({ tests }) => tests), ...inText].flatMap((ids) =>
      ids.split(', '),
    );
    expect(named.filter((id) => !known.has(id))).toEqual([]);
  });

  it('names no file of a test, which a move would make stale', () => {
    expect(page).not.toMatch(/\btest\/|\.test\.ts/);
  });
});
