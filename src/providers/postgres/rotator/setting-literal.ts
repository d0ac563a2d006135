import { quoteLiteral } from '../client/quote.ts';

/** Settings whose value is a list of names: each is quoted by itself, because one literal would be one name. */
const LISTS = new Set([
  'search_path',
  'temp_tablespaces',
  'local_preload_libraries',
  'session_preload_libraries',
]);
/** A name in quotes, or one without and its blanks: no two parts could share a character, or a hostile server's text would take for ever. */
const ITEM = /(?:\s*"((?:[^"]|"")*)"\s*|([^",]*))(?:,|$)/y;

/** The stored text of a setting as `ALTER ROLE … SET name TO` takes it. */
export function settingLiteral(name: string, value: string): string {
  if (!LISTS.has(name)) return quoteLiteral(value);
  return itemsOf(value).map(quoteLiteral).join(', ');
}

function itemsOf(value: string): readonly string[] {
  const items: string[] = [];
  ITEM.lastIndex = 0;
  do {
    const found = ITEM.exec(value);
    // Not as the server writes lists: handed on as one text, which it judges itself.
    if (found === null) return [value];
    items.push(found[1]?.replaceAll('""', '"') ?? found[2]?.trim() ?? '');
  } while (ITEM.lastIndex < value.length);
  return items;
}
