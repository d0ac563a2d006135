import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { conditionText, cureOf, HELD, UNREADY, WARNINGS } from '../../../src/domain/conditions.ts';

const page = readFileSync('docs/operations.md', 'utf8');

/** The words of the first column of a table of the page. */
function wordsOf(section: string, heading: string): readonly string[] {
  const [, text = ''] = page.split(`\n## ${section}\n`);
  const [, table = ''] = text.split(heading);
  const [rows = ''] = table.split('\n\n');
  return [...rows.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`(\w+)`/g)].map(([, word = '']) => word),
  );
}

it('are those of the page on operations: warnings, and reasons of a held store', () => {
  expect(wordsOf('Health', '| warning | meaning |').toSorted()).toEqual(
    Object.keys(WARNINGS).toSorted(),
  );
  expect(wordsOf('A held store', '| reason |').toSorted()).toEqual(Object.keys(HELD).toSorted());
});

it('say of each reason of a held store what not to do', () => {
  for (const condition of Object.values(HELD)) expect(cureOf(condition)).toMatch(/; do not /);
});

it.each(Object.entries({ ...HELD, ...UNREADY, ...WARNINGS }))(
  '%s: is one line that begins with the word',
  (word, condition) => {
    const text = `${conditionText(word, condition)}; ${cureOf(condition)}`;
    expect(text).toMatch(new RegExp(`^${word}: [^\\n]+$`));
    for (const [, section = ''] of text.matchAll(/docs\/operations\.md, "([^"]+)"/g))
      expect(page).toContain(`## ${section}\n`);
  },
);

it('show an unknown word, as one of a later broker, alone', () => {
  expect(conditionText('new_word', undefined)).toBe('new_word');
});
