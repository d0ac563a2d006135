import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath, URL } from 'node:url';

/** Patterns of assets that a browser would load from another host. Links that a reader follows are not assets. */
const LOADED = [
  /<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc="(?:https?:)?\/\/[^"]*"/g,
  /<link\b[^>]*\bhref="(?:https?:)?\/\/[^"]*"/g,
  /url\(["']?(?:https?:)?\/\/[^)]*\)/g,
  /@import\s+["'](?:https?:)?\/\/[^"']*/g,
];

const root = fileURLToPath(new URL('../../dist/site/', import.meta.url));
const files = globSync('**/*.{html,css}', { cwd: root });
const pages = files.filter((file) => file.endsWith('.html'));
const found = files.flatMap((file) => {
  const text = readFileSync(root + file, 'utf8');
  return LOADED.flatMap((pattern) => text.match(pattern) ?? []).map((asset) => `${file}: ${asset}`);
});
const searches = globSync('*/assets/chunks/@localSearchIndex*.js', { cwd: root });
if (pages.length < 30) found.push(`only ${pages.length} pages were built`);
if (searches.length === 0) found.push('the search has no index');
const { version } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
);
const contract = readFileSync(new URL('../../openapi.yaml', import.meta.url), 'utf8');
const reference = globSync(`${version}/reference/api/*.html`, { cwd: root })
  .map((file) => readFileSync(root + file, 'utf8'))
  .join('');
for (const [, id] of contract.matchAll(/^ {6}operationId: (\w+)$/gm)) {
  if (!reference.includes(`id="${id}"`)) found.push(`the API reference lacks ${id}`);
}
for (const line of found) console.error(line);
if (found.length > 0) process.exitCode = 1;
else
  console.log(
    `${pages.length} pages, no asset of another host, every operation in the API reference`,
  );
