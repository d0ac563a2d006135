import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { IDIOMS } from './idioms.ts';

/**
 * `npm run check:language` finds the phrases of scripts/idioms.ts in all files, and `npm run check:language -- src/api/` in the files whose paths
 * begin with `src/api/`. These files are exempt: frozen or generated texts, and the list of idioms itself.
 */
const EXEMPT = [
  /^test\/vectors\//,
  /^src\/ports\/openapi\//,
  /^scripts\/idioms\.ts$/,
  /^package-lock\.json$/,
  /^LICENSE$/,
];
const TEXT = /\.(?:[cm]?[jt]s|md|ya?ml|json|sql|sh|py|go|tpl|txt|proto)$|(?:^|\/)Dockerfile$/;

/** Separator of two words: spaces, or a line break with a comment marker or a joined string literal. */
const GAP = String.raw`(?:\s+(?:(?:\*|//|#|>)\s+)?|['"\x60]\s*\+\s*['"\x60])`;

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

function findingsIn(path: string): readonly string[] {
  const text = readFileSync(path, 'utf8');
  return idioms.flatMap(({ expression, write }) =>
    [...text.matchAll(expression)].map(({ 0: found, index }) => {
      const line = text.slice(0, index).split('\n').length;
      return `${path}:${line}: "${found.replace(/\s+/g, ' ').trim().slice(0, 80)}" -> ${write}`;
    }),
  );
}

const asked = process.argv.slice(2);
const findings = filesOfProject()
  .filter((path) => asked.length === 0 || asked.some((prefix) => path.startsWith(prefix)))
  .flatMap(findingsIn);
if (findings.length > 0) {
  process.stdout.write(`${findings.join('\n')}\n`);
  process.exitCode = 1;
}
