import type { JSX } from 'preact';
import { unmasked } from './format.ts';
import { Empty } from './parts.tsx';

interface Line {
  readonly is: 'same' | 'added' | 'removed';
  readonly text: string;
}

/** Lines around a change that are shown with it. */
const CONTEXT = 3;
/** More lines than a document of the broker may have are compared as wholes. */
const MOST_LINES = 4_000;

/** The lines of both texts in order: a longest common subsequence, found from the end. */
function diffLines(before: readonly string[], after: readonly string[]): readonly Line[] {
  const width = after.length + 1;
  const isLarge = before.length > MOST_LINES || after.length > MOST_LINES;
  const common = new Uint16Array(isLarge ? 0 : (before.length + 1) * width);
  if (!isLarge)
    for (let row = before.length - 1; row >= 0; row -= 1)
      for (let column = after.length - 1; column >= 0; column -= 1)
        common[row * width + column] =
          before[row] === after[column]
            ? at(common, (row + 1) * width + column + 1) + 1
            : Math.max(
                at(common, (row + 1) * width + column),
                at(common, row * width + column + 1),
              );
  const lines: Line[] = [];
  let [row, column] = [0, 0];
  while (row < before.length || column < after.length) {
    const [old, young] = [before[row], after[column]];
    if (old !== undefined && old === young && !isLarge) {
      lines.push({ is: 'same', text: old });
      [row, column] = [row + 1, column + 1];
    } else if (
      old !== undefined &&
      (young === undefined ||
        at(common, (row + 1) * width + column) >= at(common, row * width + column + 1))
    ) {
      lines.push({ is: 'removed', text: old });
      row += 1;
    } else {
      lines.push({ is: 'added', text: young ?? '' });
      column += 1;
    }
  }
  return lines;
}

function at(numbers: Uint16Array, index: number): number {
  return numbers[index] ?? 0;
}

const MARKS = { same: ' ', added: '+', removed: '-' } as const;

/** The lines that differ, with a few around them. */
export function Diff({
  before,
  after,
  label,
}: {
  readonly before: string;
  readonly after: string;
  readonly label: string;
}): JSX.Element {
  const lines = diffLines(linesOf(before), linesOf(after));
  if (lines.every(({ is }) => is === 'same')) return <Empty>No line differs.</Empty>;
  const isNear = (index: number): boolean =>
    lines.slice(Math.max(0, index - CONTEXT), index + CONTEXT + 1).some(({ is }) => is !== 'same');
  return (
    <ol class="document lines-diff" aria-label={label} tabIndex={0}>
      {lines.map(({ is, text }, index) =>
        isNear(index) ? (
          <li key={index} class={is}>
            <span aria-hidden="true">{MARKS[is]} </span>
            {is !== 'same' && <span class="unseen">{is}: </span>}
            {unmasked(text)}
          </li>
        ) : (
          isNear(index - 1) && (
            <li key={index} class="quiet">
              …
            </li>
          )
        ),
      )}
    </ol>
  );
}

function linesOf(text: string): readonly string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}
