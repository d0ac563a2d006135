import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/**
 * `npm run check:docs` checks every page: it opens with its purpose, a guide then has an example, a long page has a contents list, links lead
 * to files and headings that exist, docs/README.md and internals/README.md lead to every page of their folder, and sentences are short.
 */
const LONG_PAGE_LINES = 150;
/** Stands for code and names of files in sentences, and is not counted. */
const NAME = '§';
const LONG_SENTENCE_WORDS = 25;
/** Lists of changes have no sections to list, and no example. */
const CHANGES = 'CHANGELOG.md';
const USER_PAGES = 'docs/README.md';
const READING_LISTS = [USER_PAGES, 'internals/README.md'];
const MOST_USER_LINKS = 40;
/** Guides explain how to do something. The other pages are lists and references. */
const GUIDE = /^docs\/(?:providers\/|rotators\/)?[\w-]+\.md$/;

const files = execFileSync(
  'git',
  ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '*.md'],
  { encoding: 'utf8' },
);
const pages = files
  .split('\0')
  .filter((path) => path !== '' && statSync(path, { throwIfNoEntry: false })?.isFile() === true);

const textOf = (path: string) => readFileSync(path, 'utf8');

/** The text without code blocks, in which a `#` is not a heading and a bracket is not a link. */
function proseOf(path: string): string {
  return textOf(path).replaceAll(/^ *```[^]*?^ *```$/gm, '');
}

/** The anchor that GitHub gives a heading: lower case, punctuation removed, spaces as hyphens. */
function anchorOf(heading: string): string {
  return heading
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');
}

function anchorsOf(path: string, level = '#{1,6}'): readonly string[] {
  const found = proseOf(path).matchAll(new RegExp(`^${level} (.+)$`, 'gm'));
  return [...found].map(([, heading = '']) => anchorOf(heading));
}

function openingProblems(path: string): readonly string[] {
  const [title = '', blank, first = ''] = textOf(path).split('\n');
  if (title.startsWith('# ') && blank === '' && /^(?:\p{L}|[*`[])/u.test(first)) return [];
  return ['open with a title and a sentence that says what the page is for'];
}

function exampleProblems(path: string): readonly string[] {
  if (!GUIDE.test(path) || READING_LISTS.includes(path)) return [];
  const [opening = '', firstSection = ''] = textOf(path).split(/^## (?!Contents$)/m);
  return /^ *```(?!mermaid)/m.test(opening + firstSection)
    ? []
    : ['show the shortest working example at the beginning'];
}

function contentsProblems(path: string): readonly string[] {
  if (path === CHANGES || textOf(path).split('\n').length <= LONG_PAGE_LINES) return [];
  const [before = ''] = proseOf(path).split(/^## (?!Contents$)/m);
  return anchorsOf(path, '##')
    .filter((anchor) => anchor !== 'contents' && !before.includes(`](#${anchor})`))
    .map((anchor) => `list #${anchor} in the contents`);
}

interface Link {
  readonly target: string;
  readonly anchor: string;
}

function linksOf(path: string, text = proseOf(path)): readonly Link[] {
  const found = text.matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)#?([^)\s]*)\)/g);
  return [...found].map(([, file = '', anchor = '']) => ({
    target: file === '' ? path : normalize(join(dirname(path), file)),
    anchor,
  }));
}

/** Pages that a page about a large subject lists in its last section. The menu of the site has them below it. */
function pagesBelow(path: string): readonly string[] {
  const [, list = ''] = proseOf(path).split(/^## Pages$/m);
  return linksOf(path, list).map(({ target }) => target);
}

function linkProblems(path: string): readonly string[] {
  return linksOf(path)
    .filter(({ target, anchor }) => {
      if (statSync(target, { throwIfNoEntry: false }) === undefined) return true;
      return anchor !== '' && !anchorsOf(target).includes(anchor);
    })
    .map(({ target, anchor }) => `no such page or heading: ${target}#${anchor}`);
}

function readingListProblems(path: string): readonly string[] {
  if (!READING_LISTS.includes(path)) return [];
  const links = linksOf(path).map(({ target }) => target);
  const listed = [
    path,
    ...links,
    ...links.filter((link) => pages.includes(link)).flatMap(pagesBelow),
  ];
  const missing = pages
    .filter((page) => page.startsWith(`${dirname(path)}/`) && !listed.includes(page))
    .map((page) => `list ${page}`);
  const isTooLong = path === USER_PAGES && links.length > MOST_USER_LINKS;
  return isTooLong ? [...missing, `${links.length} links, of at most ${MOST_USER_LINKS}`] : missing;
}

/** Paragraphs, items of lists and cells of tables. */
function passagesOf(path: string): readonly string[] {
  return proseOf(path)
    .replaceAll(/^#.*$|<!--[^]*?-->/gm, '')
    .replaceAll(/^ *\|.*$/gm, (row) => row.replaceAll(/(?<!\\)\|/g, '\n\n'))
    .split(/\n(?:\s*\n|(?= *(?:[-*]|\d+\.) ))/);
}

function sentenceProblems(path: string): readonly string[] {
  if (path === CHANGES) return [];
  return passagesOf(path)
    .flatMap((passage) =>
      passage
        .replaceAll(/\[[^\]]*\]\(#[^)]*\)/g, NAME)
        .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .replaceAll(/`[^`]*`|[\w./-]+\.(?:md|yaml)\b/g, NAME)
        .replaceAll('*', '')
        .split(/(?<=[.!?]\)?["”]?)\s+(?=\P{Ll})|(?<=[:;])\s+/u),
    )
    .map((sentence) =>
      sentence.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word) && !word.includes(NAME)),
    )
    .filter((words) => words.length > LONG_SENTENCE_WORDS)
    .map((words) => `${words.length} words: "${words.slice(0, 8).join(' ')} …"`);
}

const CHECKS = [
  openingProblems,
  exampleProblems,
  contentsProblems,
  linkProblems,
  readingListProblems,
  sentenceProblems,
];
const problems = pages
  .filter((page) => !page.startsWith('test/vectors/'))
  .flatMap((page) => CHECKS.flatMap((check) => check(page).map((found) => `${page}: ${found}`)));
if (problems.length > 0) {
  process.stdout.write(`${problems.join('\n')}\n`);
  process.exitCode = 1;
}
