import { load } from 'js-yaml';

/** A value of the chart: its place with dots, its default as JSON, and its description. */
interface ValueRow {
  readonly place: string;
  readonly fallback: string;
  readonly meaning: string;
}

const KEY = /^( *)([\w-]+):(.*)$/;

/** The table of all values, generated from values.yaml and the comments in it. */
export function valuesTable(valuesYaml: string): string {
  const rows = rowsOf(valuesYaml).map(
    ({ place, fallback, meaning }) =>
      `| \`${place}\` | ${fallback === '' ? '' : `\`${fallback}\``} | ${meaning} |`,
  );
  return ['| value | default | meaning |', '|---|---|---|', ...rows].join('\n');
}

/** Each key is on a line of its own, below its comment. A map in block style is a group, which has no default of its own. */
function rowsOf(valuesYaml: string): readonly ValueRow[] {
  const values = load(valuesYaml) as object;
  const rows: ValueRow[] = [];
  let path: readonly string[] = [];
  let comment: readonly string[] = [];
  for (const line of valuesYaml.split('\n')) {
    const [, indent = '', key, rest = ''] = KEY.exec(line) ?? [];
    if (key !== undefined) {
      path = [...path.slice(0, indent.length / 2), key];
      const value = valueAt(values, path);
      const isGroup = rest === '' && !Array.isArray(value);
      const fallback = isGroup ? '' : JSON.stringify(value);
      const meaning = comment.join(' ');
      if (!isGroup || meaning !== '') rows.push({ place: path.join('.'), fallback, meaning });
    }
    comment = line.trim().startsWith('#') ? [...comment, line.trim().slice(1).trim()] : [];
  }
  return rows;
}

function valueAt(values: object, path: readonly string[]): unknown {
  return path.reduce<unknown>((within, key) => (within as Record<string, unknown>)[key], values);
}
