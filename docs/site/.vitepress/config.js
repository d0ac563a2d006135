import { copyFileSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath, URL } from 'node:url';
import { writeApiPages } from '../api-pages.js';
import { features, hero } from './landing.js';

const read = (path) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
const { version } = JSON.parse(read('package.json'));
const LANDING = 'docs/README.md';

const linksIn = (text, folder) =>
  [...text.matchAll(/\[([^\]]+)\]\(([^)#]+\.md)\)/g)].map(([, text, path]) => ({
    text,
    path: posix.join(folder, path),
  }));

/** A page about a large subject lists more pages in its last section. */
const pagesBelow = (path) => linksIn(read(path).split(/^## Pages$/m)[1] ?? '', posix.dirname(path));

/** The two parts of the reading list: a group for each heading, and a page for each link, with the pages below it. */
const sections = read(LANDING)
  .split(/^## /m)
  .slice(1)
  .map((section) => {
    const [title = '', ...groups] = section.split(/^### /m);
    return {
      title: title.trim(),
      folder: title.trim().toLowerCase(),
      groups: groups.map((group) => ({
        text: group.split('\n', 1)[0],
        pages: linksIn(group, 'docs').map((page) => ({ ...page, below: pagesBelow(page.path) })),
      })),
    };
  });
sections
  .find(({ folder }) => folder === 'reference')
  .groups.push({ text: 'API reference', pages: writeApiPages() });

/** All pages of groups, also those below others. */
function pagesOf(groups) {
  return groups.flatMap(({ pages }) => pages.flatMap((page) => [page, ...page.below]));
}

/** The address of each page, from its path in the repository: `docs/rotators/redis.md` is `using/rotators/redis.md`. */
const addresses = new Map([[LANDING, 'index.md']]);
for (const { folder, groups } of sections) {
  for (const { path } of pagesOf(groups)) {
    const below = path.replace(/^docs\/(?:site\/)?/, '').replace('README.md', 'index.md');
    addresses.set(path, `${folder}/${below}`);
  }
}

/** The label of each page in the menu. */
const labels = new Map(
  sections.flatMap(({ groups }) => pagesOf(groups)).map(({ path, text }) => [path, text]),
);

const linkTo = (path) => `/${addresses.get(path)?.replace(/(?:index)?\.md$/, '')}`;

const itemOf = ({ text, path }) => ({ text, link: linkTo(path) });

function sidebar() {
  return Object.fromEntries(
    sections.map(({ folder, groups }) => [
      `/${folder}/`,
      groups.map(({ text, pages }, index) => ({
        text,
        collapsed: index > 1,
        items: pages.map(({ below, ...page }) => ({
          ...itemOf(page),
          ...(below.length > 0 && { collapsed: true, items: below.map(itemOf) }),
        })),
      })),
    ]),
  );
}

function nav() {
  return sections.map(({ title, folder, groups }) => ({
    text: title,
    link: linkTo(groups[0].pages[0].path),
    activeMatch: `^/${folder}/`,
  }));
}

/**
 * Links lead to the addresses of the site, and name pages instead of files. Links to other files of the repository lead nowhere, so only their text is shown. Code is never a
 * template of Vue: the pages on templates have braces of their own.
 */
function fitToSite(md) {
  md.core.ruler.push('fit-to-site', ({ tokens, env }) => {
    const source = posix.relative(ROOT, env.realPath ?? env.path);
    for (const block of tokens) {
      // The title of the first page is in its head.
      if (source === LANDING && block.tag === 'h1') block.tag = 'h2';
      let isOutside = false;
      for (const [index, token] of (block.children ?? []).entries()) {
        if (token.type === 'code_inline') token.attrSet('v-pre', '');
        if (token.type === 'link_open') {
          const href = token.attrGet('href') ?? '';
          isOutside = false;
          if (!/^(?:#|https?:)/.test(href)) {
            const [file, anchor] = href.split('#', 2);
            const path = posix.join(posix.dirname(source), file);
            const address = addresses.get(path);
            isOutside = address === undefined;
            const text = block.children[index + 1];
            if (labels.has(path) && /^[\w./-]+\.md$/.test(text.content))
              text.content = labels.get(path);
            if (!isOutside) token.attrSet('href', `/${address}${anchor ? `#${anchor}` : ''}`);
          }
        }
        if (isOutside && token.type.startsWith('link_')) {
          token.tag = 'span';
          token.attrs = null;
        }
      }
    }
  });
}

/** A block of Mermaid becomes a diagram; theme/index.js draws it. */
function drawDiagrams(md) {
  const { fence } = md.renderer.rules;
  md.renderer.rules.fence = (tokens, index, ...rest) => {
    const { info, content } = tokens[index];
    if (info.trim() !== 'mermaid') return fence(tokens, index, ...rest);
    return `<Diagram source="${md.utils.escapeHtml(content)}" />`;
  };
}

/**
 * A table scrolls in a box of its own, which the keyboard reaches too. A header without text is a cell. Cells know their columns, because a phone shows the
 * rows of a wide table as cards.
 */
function boxTables(md) {
  md.renderer.rules.table_open = (tokens, index) =>
    `<div class="table-box${tokens[index].meta?.isWide ? ' is-wide' : ''}" role="group" aria-label="Table" tabindex="0"><table>`;
  md.renderer.rules.table_close = () => '</table></div>';
  md.core.ruler.push('columns', ({ tokens }) => {
    let [table, columns, column] = [undefined, [], 0];
    for (const [index, token] of tokens.entries()) {
      if (token.type === 'table_open') [table, columns] = [token, []];
      else if (token.type === 'tr_open') column = 0;
      else if (token.type === 'th_open') {
        columns.push(tokens[index + 1].children.map(({ content }) => content).join(''));
        table.meta = { isWide: columns.length > 2 };
      } else if (token.type === 'td_open') {
        token.attrSet('data-column', columns[column]);
        column += 1;
      }
    }
  });
  md.core.ruler.push('empty-headers', ({ tokens }) => {
    for (const [index, { type, content }] of tokens.entries()) {
      const around = [tokens[index - 1], tokens[index + 1]];
      if (type !== 'inline' || content !== '' || around[0].type !== 'th_open') continue;
      for (const token of around) token.tag = 'td';
    }
  });
}

// The pages lie outside this package, so they do not find its modules by themselves.
const VUE = fileURLToPath(
  new URL('../node_modules/vue/dist/vue.runtime.esm-bundler.js', import.meta.url),
);
const RENDERER = fileURLToPath(
  new URL('../node_modules/vue/server-renderer/index.mjs', import.meta.url),
);
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

export default {
  title: 'Quaymaster',
  description: 'A secrets broker for containers',
  lang: 'en',
  srcDir: '../..',
  // Other Markdown of the repository belongs to code, or is shown only there.
  srcExclude: ['!(docs)/**/*', '{ARCHITECTURE,CONTRIBUTING,README}.md', 'docs/site/!(api)/**'],
  rewrites: (path) => {
    const address = addresses.get(path);
    if (address === undefined) throw new Error(`list ${path} in ${LANDING}`);
    return address;
  },
  outDir: `../../dist/site/${version}`,
  base: `/${version}/`,
  head: [['link', { rel: 'icon', href: `/${version}/icon.svg`, type: 'image/svg+xml' }]],
  cleanUrls: false,
  markdown: {
    html: false,
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    config: (md) => {
      fitToSite(md);
      drawDiagrams(md);
      boxTables(md);
    },
  },
  vite: { resolve: { alias: { 'vue/server-renderer': RENDERER, vue: VUE } } },
  transformPageData: ({ relativePath, frontmatter }) => {
    if (relativePath === 'index.md') Object.assign(frontmatter, { layout: 'home', hero, features });
  },
  buildEnd: ({ outDir }) => {
    copyFileSync(`${ROOT}console/icon.svg`, `${outDir}/icon.svg`);
  },
  themeConfig: {
    logo: '/icon.svg',
    nav: nav(),
    sidebar: sidebar(),
    outline: [2, 3],
    search: { provider: 'local' },
  },
};
