import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { IDIOMS } from './idioms.ts';

/**
 * `npm run check:language` finds the phrases of scripts/idioms.ts in all files except those below. With `-- --all` it checks every file and
 * counts the findings by folder; with `-- src/api/` it checks the paths that begin so.
 */
const NOT_YET_CLEAN: readonly string[] = ['docs/threat-coverage.md', 'test/'];

/** Frozen or generated texts, and the list of idioms itself. */
const EXEMPT = [
  /^test\/vectors\//,
  /^src\/client\/generated\//,
  /^scripts\/idioms\.ts$/,
  /^package-lock\.json$/,
  /^LICENSE$/,
];
const TEXT = /\.(?:[cm]?[jt]s|md|ya?ml|json|sql|sh|py|go|tpl|txt|proto)$|(?:^|\/)Dockerfile$/;

/** What separates two words: spaces, or a line break with a comment marker or a joined string literal. */
const GAP = String.raw`(?:\s+(?:(?:\*|//|#|>)\s+)?|['"\x60]\s*\+\s*['"\x60])`;

interface Hit {
  readonly place: string;
  readonly folder: string;
  readonly text: string;
  readonly write: string;
}

const idioms = IDIOMS.map(({ pattern, write }) => ({
  expression: new RegExp(pattern.replaceAll(' ', GAP), 'gimu'),
  write,
}));

function filesOfProject(): readonly string[] {
  const listed = execFileSync(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    {
      encoding: 'utf8',
    },
  );
  return listed
    .split('\0')
    .filter((path) => TEXT.test(path) && !EXEMPT.some((exempt) => exempt.test(path)))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true);
}

function hitsIn(path: string): readonly Hit[] {
  const text = readFileSync(path, 'utf8');
  return idioms.flatMap(({ expression, write }) =>
    [...text.matchAll(expression)].map(({ 0: found, index }) => ({
      place: `${path}:${text.slice(0, index).split('\n').length}`,
      folder: path.split('/').slice(0, -1).slice(0, 3).join('/') || '.',
      text: found.replace(/\s+/g, ' ').trim().slice(0, 80),
      write,
    })),
  );
}

function countsByFolder(hits: readonly Hit[]): readonly string[] {
  const counts = Map.groupBy(hits, ({ folder }) => folder);
  return [...counts]
    .sort()
    .map(([folder, found]) => `${String(found.length).padStart(5)}  ${folder}`);
}

const asked = process.argv.slice(2);
const all = asked.includes('--all');
const beginsWith = (path: string, prefixes: readonly string[]) =>
  prefixes.some((prefix) => path.startsWith(prefix));
const isChecked = (path: string) =>
  all || (asked.length > 0 ? beginsWith(path, asked) : !beginsWith(path, NOT_YET_CLEAN));
const hits = filesOfProject().filter(isChecked).flatMap(hitsIn);
const lines = hits.map(({ place, text, write }) => `${place}: "${text}" -> ${write}`);
if (all) lines.push(...countsByFolder(hits));
if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`);
if (hits.length > 0) process.exitCode = 1;
