import { distance } from '../kernel/time.ts';
import { printable } from './printable.ts';

const GAP = '   ';
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{3})?Z$/;

/**
 * Columns as wide as their longest cell, below a header line. Cells contain no line breaks and no characters that a terminal interprets. With `now`,
 * times are shown as their distance to it: `in 23 min`.
 */
export function table(
  header: readonly string[],
  rows: readonly (readonly unknown[])[],
  now?: number,
): string {
  const cells = rows.map((row) => row.map((value) => cellText(relative(value, now))));
  const texts = [header.map((cell) => cell.toUpperCase()), ...cells];
  const widths = header.map((_, column) =>
    Math.max(...texts.map((row) => (row[column] ?? '').length)),
  );
  return texts
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join(GAP)
        .trimEnd(),
    )
    .join('\n');
}

/** One `name  value` line for each value that is defined. With `now`, a time is followed by its distance to it. */
export function fields(pairs: readonly (readonly [string, unknown])[], now?: number): string {
  const shown = pairs.filter(([, value]) => value !== undefined);
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown
    .map(([name, value]) => {
      const text = cellText(value);
      const far =
        isInstant(value) && now !== undefined ? ` (${distance(Date.parse(value), now)})` : '';
      return `${name.padEnd(width)}${GAP}${text}${far}`;
    })
    .join('\n');
}

function relative(value: unknown, now: number | undefined): unknown {
  return now !== undefined && isInstant(value) ? distance(Date.parse(value), now) : value;
}

function isInstant(value: unknown): value is string {
  return typeof value === 'string' && INSTANT.test(value);
}

function cellText(value: unknown): string {
  if (value === undefined || value === null || value === '') return '-';
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(cellText).join(', ');
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  // A list is easier to read without milliseconds; JSON has them.
  if (isInstant(value)) return value.replace(/\.\d{3}Z$/, 'Z');
  return printable(typeof value === 'string' ? value : JSON.stringify(value));
}
