/** Rows that a test holds, at the end of its title or of the title of its suite: `refuses a token without exp (J15)`. */
const ROWS = /\(([A-Z]{1,2}\d{1,2}(?:, [A-Z]{1,2}\d{1,2})*)\)['"`],/g;
/** Invariants of the tests with faults, such as I7, which test/kit/broker/request-history.ts describes. They are not rows. */
const INVARIANT = /^I\d/;
const TABLE_ROW = /^\| ([A-Z]{1,2}\d\d) \| (.+?) \|.*\|$/gm;

export interface TestFile {
  readonly path: string;
  readonly text: string;
}

/** Ids and threats of the rows of the page, in order. */
export function threatRows(
  page: string,
): readonly { readonly id: string; readonly threat: string }[] {
  return [...page.matchAll(TABLE_ROW)].map(([, id = '', threat = '']) => ({ id, threat }));
}

/** Files of the tests that hold each row. */
export function filesOfRows(files: readonly TestFile[]): ReadonlyMap<string, readonly string[]> {
  const held = new Map<string, string[]>();
  for (const { path, text } of files) {
    const ids = [...text.matchAll(ROWS)].flatMap(([, list = '']) => list.split(', '));
    for (const id of new Set(ids.filter((each) => !INVARIANT.test(each)))) {
      held.set(id, [...(held.get(id) ?? []), path]);
    }
  }
  return held;
}

/** The page with the third column of each row written from the titles of the tests. The other two columns are kept by hand. */
export function withTests(page: string, files: readonly TestFile[]): string {
  const held = filesOfRows(files);
  return page.replaceAll(TABLE_ROW, (_row, id: string, threat: string) => {
    const links = (held.get(id) ?? []).map((path) => {
      const name = path.replace(/^test\//, '').replace(/\.(?:test\.)?ts$/, '');
      return `[${name}](../${path})`;
    });
    return `| ${id} | ${threat} | ${links.join(', ')} |`;
  });
}
