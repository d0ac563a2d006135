import { describe, expect, it } from '@jest/globals';
import { filesOfRows, threatRows, withTests } from '../../scripts/threat-page.ts';
import { textOf, trackedFiles } from '../kit/pages/tracked-files.ts';

const page = textOf('internals/threat-coverage.md');
const files = trackedFiles()
  .filter((path) => /^test\/.*\.ts$/.test(path))
  .map((path) => ({ path, text: textOf(path) }));
const held = filesOfRows(files);
const ids = threatRows(page).map(({ id }) => id);

describe('internals/threat-coverage.md', () => {
  it('has each row once', () => {
    expect(ids.length).toBeGreaterThan(250);
    expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([]);
  });

  it('has at least one test for each row', () => {
    expect(ids.filter((id) => !held.has(id))).toEqual([]);
  });

  it('has a row for each id in the title of a test', () => {
    expect([...held].filter(([id]) => !ids.includes(id))).toEqual([]);
  });

  it('is up to date: `npm run generate` writes it', () => {
    expect(withTests(page, files)).toBe(page);
  });
});
