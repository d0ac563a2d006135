import { isMap, parseDocument, type Pair, type Scalar, type YAMLMap } from 'yaml';

/** A value of the chart: its place with dots, its default as JSON, and its description. */
interface ValueRow {
  readonly place: string;
  readonly fallback: string;
  readonly meaning: string;
}

type ValuePair = Pair<Scalar<string>>;

function commentOf(text: string | null | undefined): string {
  return (text ?? '')
    .split('\n')
    .map((line) => line.trim())
    .join(' ')
    .trim();
}

function rowsOf(map: YAMLMap, place: string): readonly ValueRow[] {
  return (map.items as ValuePair[]).flatMap((pair, index) => {
    const inner = place === '' ? pair.key.value : `${place}.${pair.key.value}`;
    // The parser attaches the comment before the first key of a map to the map.
    const above = index === 0 ? map.commentBefore : pair.key.commentBefore;
    const meaning = commentOf(above);
    const { value } = pair;
    const isGroup = isMap(value) && value.items.length > 0 && value.flow !== true;
    if (!isGroup) return [{ place: inner, fallback: JSON.stringify(toJson(value)), meaning }];
    const rows = rowsOf(value, inner);
    return meaning === '' ? rows : [{ place: inner, fallback: '', meaning }, ...rows];
  });
}

function toJson(value: unknown): unknown {
  return (value as { toJSON(): unknown }).toJSON();
}

/** The table of all values, generated from values.yaml and the comments in it. */
export function valuesTable(valuesYaml: string): string {
  const rows = rowsOf(parseDocument(valuesYaml).contents as YAMLMap, '').map(
    ({ place, fallback, meaning }) =>
      `| \`${place}\` | ${fallback === '' ? '' : `\`${fallback}\``} | ${meaning} |`,
  );
  return ['| value | default | meaning |', '|---|---|---|', ...rows].join('\n');
}
