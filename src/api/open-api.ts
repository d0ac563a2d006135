import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

/** The API contract is at the root of the package, beside `src` or `dist`. */
const FILE = new URL('../../openapi.yaml', import.meta.url);

/** openapi.yaml as JSON text. */
export function openApiJson(): string {
  return JSON.stringify(parse(readFileSync(FILE, 'utf8'), { maxAliasCount: 0 }));
}
