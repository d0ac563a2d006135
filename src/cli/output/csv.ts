/** A table in CSV (RFC 4180), with line feeds. */
export function csv(rows: readonly (readonly (string | number | undefined)[])[]): string {
  return rows.map((row) => row.map(cellOf).join(',')).join('\n');
}

/** A spreadsheet runs a cell that begins like a formula, and names of pods come from strangers: such a cell gets an apostrophe before it. */
function cellOf(value: string | number | undefined): string {
  const text = String(value ?? '').replace(/^(?=[=+\-@\t\r])/, "'");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
