import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { textOf, trackedFiles } from '../kit/tracked-files.ts';

const LONG_PAGE_LINES = 150;
const WITHOUT_CONTENTS = ['CHANGELOG.md'];
const pages = trackedFiles().filter((path) => path.endsWith('.md'));

/** The text without code blocks, in which a `#` is not a heading and a bracket is not a link. */
function proseOf(path: string): string {
  return textOf(path).replaceAll(/^ *```[^]*?^ *```$/gm, '');
}

/** Anchor of a heading as GitHub makes it: lower case, punctuation removed, spaces as hyphens. */
function anchorOf(heading: string): string {
  return heading
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');
}

function headingsOf(path: string, level = '#{1,6}'): readonly string[] {
  const found = proseOf(path).matchAll(new RegExp(`^${level} (.+)$`, 'gm'));
  return [...found].map(([, heading = '']) => anchorOf(heading));
}

describe('documentation pages', () => {
  it(`of more than ${LONG_PAGE_LINES} lines list their sections before the first one`, () => {
    const incomplete = pages
      .filter((path) => !WITHOUT_CONTENTS.includes(path))
      .filter((path) => textOf(path).split('\n').length > LONG_PAGE_LINES)
      .flatMap((path) => {
        const [before = ''] = proseOf(path).split(/^## (?!Contents$)/m);
        return headingsOf(path, '##')
          .filter((anchor) => anchor !== 'contents' && !before.includes(`](#${anchor})`))
          .map((anchor) => `${path}: #${anchor}`);
      });
    expect(incomplete).toEqual([]);
  });

  it('link to headings that exist', () => {
    const broken = pages.flatMap((path) =>
      [...proseOf(path).matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)#([^)\s]+)\)/g)]
        .map(([, file = '', anchor = '']) => ({
          target: file === '' ? path : normalize(join(dirname(path), file)),
          anchor,
        }))
        .filter(({ target, anchor }) => !headingsOf(target).includes(anchor))
        .map(({ target, anchor }) => `${path}: ${target}#${anchor}`),
    );
    expect(broken).toEqual([]);
  });
});
