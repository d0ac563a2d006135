import { dump } from 'js-yaml';

/** The width of oxfmt, so that a written file is formatted. */
const WIDTH = 100;
const INDENT = '  ';
/** A map of fields has one line each, so that a new field is a new line. */
const FIELDS = 'properties';

/** A scalar within brackets; undefined if the formatter would quote it in another way. */
function flowScalar(value: unknown): string | undefined {
  const text = dump([value], { flowLevel: 0, lineWidth: -1 }).trimEnd().slice(1, -1);
  return text.includes("''") || text.includes('\n') ? undefined : text;
}

/** A value in one line; undefined if it must not be in one. */
function flow(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return flowScalar(value);
  if (Array.isArray(value)) {
    const items = value.map(flow);
    return items.includes(undefined) ? undefined : `[${items.join(', ')}]`;
  }
  const entries = Object.entries(value).map(([key, each]) => {
    const text = key === FIELDS ? undefined : flow(each);
    return text === undefined ? undefined : `${flowScalar(key)}: ${text}`;
  });
  if (entries.includes(undefined)) return undefined;
  return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`;
}

/** A value as YAML after `prefix`, the start of its first line, with short lists and maps in one line each. */
export function yamlText(prefix: string, value: unknown, indent: string): string {
  if (typeof value !== 'object' || value === null) {
    return `${prefix} ${dump(value, { lineWidth: -1 })}`;
  }
  const isPlain = prefix.endsWith('-') && Object.keys(value).length === 1;
  const line = isPlain || prefix.endsWith(`${FIELDS}:`) ? undefined : flow(value);
  if (line !== undefined && prefix.length + 1 + line.length <= WIDTH) return `${prefix} ${line}\n`;
  const deeper = indent + INDENT;
  if (Array.isArray(value)) {
    return `${prefix}\n${value.map((each) => listItem(each, deeper)).join('')}`;
  }
  const lines = Object.entries(value).map(([key, each]) =>
    yamlText(`${deeper}${flowScalar(key)}:`, each, deeper),
  );
  return `${prefix}\n${lines.join('')}`;
}

/** The first key of a map in a list stands beside the dash. */
function listItem(value: unknown, indent: string): string {
  const dash = `${indent}-`;
  const text = yamlText(dash, value, indent);
  const nested = `${dash}\n${indent}${INDENT}`;
  return text.startsWith(nested) ? `${dash} ${text.slice(nested.length)}` : text;
}
