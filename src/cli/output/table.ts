import { printable } from './printable.ts';

const GAP = '   ';

/** Columns as wide as their longest cell, below a header line. Cells contain no line breaks and no characters that a terminal interprets. */
export function table(header: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const texts = [header.map((cell) => cell.toUpperCase()), ...rows.map((row) => row.map(cellText))];
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

/** One `name  value` line for each value that is defined. */
export function fields(pairs: readonly (readonly [string, unknown])[]): string {
  const shown = pairs.filter(([, value]) => value !== undefined);
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(width)}${GAP}${cellText(value)}`).join('\n');
}

function cellText(value: unknown): string {
  if (value === undefined || value === null || value === '') return '-';
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(cellText).join(', ');
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return printable(typeof value === 'string' ? value : JSON.stringify(value));
}
